//! The whiteboard: strokes that everybody sees in the same order, cursors, and an empty sheet.
//! Comings and goings are `people`'s.

use serde::{Deserialize, Serialize};
use trunkline::{Batch, Data, Error, Key, Namespace, PastEvent, Socket};

use super::people::{self, Person, Presence};
use super::words::{ID, NAME};

/// There is one sheet.
const SHEET: &str = "sheet";
/// Its size in units of its own; pages scale it to what they have.
const WIDTH: u16 = 1600;
const HEIGHT: u16 = 1000;
/// Colours are numbers, so that each page can choose what suits its background.
const COLOURS: u8 = 8;
/// The thickest line, in units of the sheet.
const THICKNESS_MAX: u8 = 40;
/// Points of one event; longer strokes come in several.
const POINTS_MAX: usize = 256;
/// Events of the past that somebody who enters is given, as far as the log holds them.
const HISTORY_EVENTS: usize = 10_000;

type Point = (u16, u16);

/// A piece of a stroke.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Line {
    colour: u8,
    thickness: u8,
    points: Vec<Point>,
}

/// A piece of a stroke and the id that its page gave it, by which that page knows it again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Drawn {
    id: String,
    #[serde(flatten)]
    line: Line,
}

#[derive(Debug, Serialize)]
struct Entered {
    people: Vec<Person>,
    lines: Vec<Drawn>,
}

#[derive(Debug, Serialize)]
struct Cursor {
    id: String,
    /// `None` when the pointer has left the sheet.
    at: Option<Point>,
}

/// Registers the handlers.
pub(crate) fn register(ns: &Namespace) {
    ns.middleware(async |socket: Socket| people::introduce(&socket).map_err(|error| error.message().to_owned()));
    ns.on_connect(async |socket: Socket| {
        if socket.recovered() {
            people::tell_back(&socket).await;
        }
    });
    ns.on("enter", async |socket: Socket, Data(name): Data<String>| enter(socket, NAME.check(&name)?).await);
    ns.on("rename", async |socket: Socket, Data(name): Data<String>| people::rename(&socket, &NAME.check(&name)?));
    ns.on_keyed(
        "draw",
        |drawn: &Drawn| Key::from(&drawn.id),
        async |once: Batch, Data(drawn): Data<Drawn>| draw(&once, &drawn),
    );
    ns.on("cursor", async |socket: Socket, Data(at): Data<Option<Point>>| cursor(&socket, at));
    ns.on_keyed(
        "clear",
        |id: &String| Key::from(id),
        async |once: Batch, socket: Socket| {
            once.to(SHEET).emit("clear", people::name_of(&socket)?);
            Ok(())
        },
    );
    ns.on_disconnect(async |socket: Socket| people::tell_gone(&socket));
}

async fn enter(socket: Socket, name: String) -> Result<Entered, Error> {
    let people = people::enter(&socket, &Presence { room: SHEET.to_owned(), name }).await?;
    let history = socket.history(SHEET).limit(HISTORY_EVENTS).await?;
    Ok(Entered { people, lines: lines(&history) })
}

/// What is on the sheet after these events.
fn lines(history: &[PastEvent]) -> Vec<Drawn> {
    let since = history.iter().rposition(|event| event.name == "clear").map_or(0, |last| last + 1);
    history[since..].iter().filter_map(|event| event.args.get(0).ok()).collect()
}

/// Sends a line to everybody, once. Who drew it gets it too, and so learns its place among those of the others.
fn draw(once: &Batch, drawn: &Drawn) -> Result<(), Error> {
    ID.check(&drawn.id)?;
    check(&drawn.line)?;
    once.to(SHEET).emit("draw", drawn);
    Ok(())
}

fn check(line: &Line) -> Result<(), Error> {
    let wrong = |rule: String| Err(Error::new("invalid_line", rule));
    if line.colour >= COLOURS {
        return wrong(format!("colours are numbers below {COLOURS}"));
    }
    if !(1..=THICKNESS_MAX).contains(&line.thickness) {
        return wrong(format!("a line is 1 to {THICKNESS_MAX} thick"));
    }
    if line.points.is_empty() || line.points.len() > POINTS_MAX {
        return wrong(format!("a line has 1 to {POINTS_MAX} points"));
    }
    line.points.iter().try_for_each(|&point| check_point(point))
}

fn check_point((x, y): Point) -> Result<(), Error> {
    if x <= WIDTH && y <= HEIGHT {
        return Ok(());
    }
    Err(Error::new("invalid_point", format!("the sheet is {WIDTH} wide and {HEIGHT} high")))
}

fn cursor(socket: &Socket, at: Option<Point>) -> Result<(), Error> {
    Presence::of(socket)?;
    at.map_or(Ok(()), check_point)?;
    let cursor = Cursor { id: socket.id().to_string(), at };
    socket.to(SHEET).volatile().emit("cursor", cursor);
    Ok(())
}

#[cfg(test)]
mod tests {
    use trunkline::{Args, Position};

    use super::*;

    fn line(points: &[Point]) -> Line {
        Line { colour: 0, thickness: 4, points: points.to_vec() }
    }

    fn past(name: &'static str, data: impl Serialize) -> PastEvent {
        PastEvent { position: Position::ZERO, name: name.into(), args: Args::serialize(&data).unwrap() }
    }

    #[test]
    fn what_was_drawn_before_the_last_clear_is_gone() {
        let drawn = |x| Drawn { id: "a".to_owned(), line: line(&[(x, 0)]) };
        let history = [past("draw", drawn(1)), past("clear", "Ada"), past("draw", drawn(2)), past("draw", drawn(3))];
        assert_eq!(lines(&history), [drawn(2), drawn(3)]);
        assert_eq!(lines(&history[..2]), []);
        assert_eq!(lines(&history[..1]), [drawn(1)]);
    }

    #[test]
    fn lines_outside_the_limits_are_refused() {
        assert!(check(&line(&[(0, 0), (WIDTH, HEIGHT)])).is_ok());
        for (wrong, code) in [
            (line(&[]), "invalid_line"),
            (line(&vec![(0, 0); POINTS_MAX + 1]), "invalid_line"),
            (Line { colour: COLOURS, ..line(&[(0, 0)]) }, "invalid_line"),
            (Line { thickness: 0, ..line(&[(0, 0)]) }, "invalid_line"),
            (line(&[(WIDTH + 1, 0)]), "invalid_point"),
            (line(&[(0, HEIGHT + 1)]), "invalid_point"),
        ] {
            assert_eq!(check(&wrong).unwrap_err().code(), code, "{wrong:?}");
        }
    }
}
