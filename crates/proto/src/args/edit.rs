//! Arguments made of other arguments: joined, cut, taken apart.
//! Text is shared where it can be; it is written anew only where attachments get other numbers.

use std::ops::{Bound, Range, RangeBounds};

use serde::Serialize;
use smallvec::SmallVec;

use super::{Args, ArgsError, Spans, find_placeholders, place, rewrite};
use crate::json::{Children, Span, scan, string_is};
use crate::limits::{MAX_ATTACHMENTS, MAX_DEPTH};

impl Args {
    /// Appends a value as one argument, as [`serialize_one`](Self::serialize_one) writes it.
    ///
    /// # Errors
    ///
    /// Those of [`serialize`](Self::serialize); the arguments stay as they were.
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ArgsError> {
        let other = Self::serialize_one(value)?;
        if self.attachments.len() + other.attachments.len() > MAX_ATTACHMENTS {
            return Err(ArgsError::TooManyAttachments);
        }
        u32::try_from(self.text.len() + other.text.len() + 1).map_err(|_| ArgsError::TooLong)?;
        self.push_args(&other);
        Ok(())
    }

    /// Appends all of `other`'s arguments, its attachments behind those that are here. How many attachments there may be
    /// together is the caller's matter.
    ///
    /// # Panics
    ///
    /// If the text gets longer than 4 GiB.
    pub fn push_args(&mut self, other: &Self) {
        if self.is_empty() && self.attachments.is_empty() {
            return self.clone_from(other);
        }
        if other.is_empty() && other.attachments.is_empty() {
            return;
        }
        let mut other = other.clone();
        match (self.attachments.len(), other.attachments.len()) {
            (0, 0) => {}
            (0, _) => self.renumber(|_| None),
            (_, 0) => other.renumber(|_| None),
            (held, _) => other.renumber(|num| num?.checked_add(place(held))),
        }
        self.join(&other);
        self.attachments.extend(other.attachments);
    }

    /// Returns the arguments in `range`, cut to those that exist, with the attachments that they refer to.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let spans = &self.spans[existing(&range, self.len())];
        self.part(spans.iter().map(|&(start, end)| start as usize..end as usize))
    }

    /// Returns the elements of the array that argument `i` is, each as an argument; `None` if it is none.
    #[must_use]
    pub fn spread(&self, i: usize) -> Option<Self> {
        let start = self.spans.get(i)?.0 as usize;
        if !self.text[start..].starts_with('[') {
            return None;
        }
        let mut elements = SmallVec::<[Span; 4]>::new();
        scan(self.text.as_bytes(), start, MAX_DEPTH, &mut Children::new(|_, span| elements.push(span))).ok()?;
        Some(self.part(elements.into_iter()))
    }

    /// Returns one argument, the array of all of these: what [`spread`](Self::spread) takes apart.
    ///
    /// # Errors
    ///
    /// [`ArgsError::TooDeep`].
    pub fn gather(&self) -> Result<Self, ArgsError> {
        self.as_one(format!("[{}]", self.text))
    }

    /// Makes one argument, an object whose members are the first arguments of these (`null` where there is none).
    ///
    /// # Errors
    ///
    /// [`ArgsError::TooDeep`] or [`ArgsError::TooManyAttachments`].
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Result<Self, ArgsError> {
        let null = || Self::from_parts("null".into(), smallvec::smallvec![(0, 4)], Vec::new());
        let (mut values, mut names) = (Self::new(), Vec::new());
        for (name, value) in members {
            let value = value.slice(..1);
            values.push_args(&if value.is_empty() { null() } else { value });
            names.push(name);
        }
        let mut text = String::from("{");
        for (i, name) in names.into_iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(name).to_string());
            text.push(':');
            text.push_str(values.raw(i).unwrap_or("null"));
        }
        text.push('}');
        values.as_one(text)
    }

    /// These attachments under one argument of this text.
    fn as_one(&self, text: String) -> Result<Self, ArgsError> {
        if self.attachments.len() > MAX_ATTACHMENTS {
            return Err(ArgsError::TooManyAttachments);
        }
        let len = u32::try_from(text.len()).map_err(|_| ArgsError::TooLong)?;
        scan(text.as_bytes(), 0, MAX_DEPTH, &mut Children::new(|_, _| {})).map_err(|_| ArgsError::TooDeep)?;
        Ok(Self::from_parts(text.into(), smallvec::smallvec![(0, len)], self.attachments.clone()))
    }

    /// Returns the value of member `key` of the object that argument `i` is, as one argument; `None` if there is none. Of
    /// members of the same name it is the last one, as in JavaScript.
    #[must_use]
    pub fn member(&self, i: usize, key: &str) -> Option<Self> {
        let (start, text) = (self.spans.get(i)?.0 as usize, self.text.as_bytes());
        let mut value = None;
        let mut children = Children::new(|name: Option<Span>, span| {
            if name.is_some_and(|name| string_is(&text[name], key)) {
                value = Some(span);
            }
        });
        scan(text, start, MAX_DEPTH, &mut children).ok()?;
        value.map(|span| self.part(std::iter::once(span)))
    }

    /// Makes arguments of values in the text that stand next to each other.
    fn part(&self, values: impl Iterator<Item = Span>) -> Self {
        let mut spans = Spans::new();
        let mut base = None;
        for value in values {
            let base = *base.get_or_insert(value.start);
            spans.push((place(value.start - base), place(value.end - base)));
        }
        let (Some(base), Some(&(_, len))) = (base, spans.last()) else {
            return Self::new();
        };
        let text = self.text.slice_ref(&self.text[base..base + len as usize]);
        let mut part = Self { text, spans, attachments: Vec::new() };
        if !self.attachments.is_empty() {
            part.take_attachments(self);
        }
        part
    }

    /// Takes from `whole` the attachments that the text names, numbered anew in the order in which they are named.
    fn take_attachments(&mut self, whole: &Self) {
        let mut taken = SmallVec::<[u32; 10]>::new();
        self.renumber(|num| {
            let num = num.filter(|num| (*num as usize) < whole.attachments.len())?;
            let new = taken.iter().position(|old| *old == num).unwrap_or_else(|| {
                taken.push(num);
                taken.len() - 1
            });
            Some(place(new))
        });
        self.attachments = taken.iter().map(|num| whole.attachments[*num as usize].clone()).collect();
    }

    /// Gives each placeholder the number that `number` makes of the one it has; `None` makes it `null`.
    fn renumber(&mut self, mut number: impl FnMut(Option<u32>) -> Option<u32>) {
        let found = find_placeholders(&self.text, &self.spans);
        let numbers: SmallVec<[Option<u32>; 10]> = found.iter().map(|hit| number(hit.num)).collect();
        let is_same = found.iter().zip(&numbers).all(|(hit, new)| new.is_some() && hit.num == *new);
        if !is_same {
            let mut numbers = numbers.into_iter();
            self.text = rewrite(&self.text, &mut self.spans, &found, |_| numbers.next().flatten()).into();
        }
    }

    /// Appends text and spans.
    fn join(&mut self, other: &Self) {
        let comma = usize::from(!self.is_empty() && !other.is_empty());
        let mut text = String::with_capacity(self.text.len() + comma + other.text.len());
        text.push_str(&self.text);
        if comma == 1 {
            text.push(',');
        }
        let base = text.len();
        text.push_str(&other.text);
        let _fits = place(text.len());
        self.spans.extend(other.spans.iter().map(|&(start, end)| (place(base) + start, place(base) + end)));
        self.text = text.into();
    }
}

/// Returns the part of `range` that is within `len`.
fn existing(range: &impl RangeBounds<usize>, len: usize) -> Range<usize> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => len,
    };
    let end = end.min(len);
    start.min(end)..end
}
