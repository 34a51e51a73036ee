//! The command line of the three programs: pairs of `--name value`. What the values mean is each program's.

use std::str::FromStr;

/// Options not asked for yet.
#[derive(Debug)]
pub struct Options {
    pairs: Vec<(String, String)>,
}

impl Options {
    /// Reads the arguments of this process. The error is a sentence for the user.
    pub fn from_args() -> Result<Self, String> {
        let mut args = std::env::args().skip(1);
        let mut pairs = Vec::new();
        while let Some(name) = args.next() {
            let Some(bare) = name.strip_prefix("--") else { return Err(format!("{name} is not an option")) };
            let value = args.next().ok_or_else(|| format!("--{bare} wants a value"))?;
            pairs.push((bare.to_owned(), value));
        }
        Ok(Self { pairs })
    }

    /// Takes the option `name`, if it was given.
    pub fn take<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let Some(at) = self.pairs.iter().position(|(given, _)| given == name) else { return Ok(None) };
        let (_, value) = self.pairs.swap_remove(at);
        value.parse().map(Some).map_err(|_| format!("--{name} cannot be {value}"))
    }

    /// Takes the option `name`, which must have been given.
    pub fn need<T: FromStr>(&mut self, name: &str) -> Result<T, String> {
        self.take(name)?.ok_or_else(|| format!("--{name} is missing"))
    }

    /// Refuses what nobody took.
    pub fn finish(self) -> Result<(), String> {
        match self.pairs.first() {
            Some((name, _)) => Err(format!("there is no option --{name}")),
            None => Ok(()),
        }
    }
}
