//! The result as text: one table, a line per load and server, each with its ratio to the limit. Running is `rounds`'.

use std::fmt::Write;

use crate::receipts::Noticed;
use crate::rounds::Runs;
use crate::stretch::Measured;

/// A row whose limit spreads over this is worth measuring again.
const SPREAD_MAX: f64 = 0.10;

/// The table of all runs, in Markdown. Ratios are to the runs of `ceiling` of the same row.
#[must_use]
pub fn render(all: &[Runs], ceiling: &str) -> String {
    let mut table = String::from(
        "| load | server | CPU µs per unit | min to max | × ceiling | units/s | server core | load core | p50 ms \
         | p99 ms | idle KiB | after 16 KiB | wrong |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for runs in all {
        let limit = all.iter().find(|other| other.row == runs.row && other.server == ceiling);
        line(&mut table, runs, limit);
    }
    for runs in all.iter().filter(|runs| runs.server == ceiling) {
        let relative = runs.spread(|measured| measured.cpu_us_per_unit).relative();
        if relative > SPREAD_MAX {
            let percent = relative * 100.0;
            let _ = writeln!(table, "\nThe limit of {} spreads over {percent:.0} %: measure it again.", runs.row);
        }
    }
    table
}

fn line(table: &mut String, runs: &Runs, limit: Option<&Runs>) {
    let cpu = runs.spread(|measured| measured.cpu_us_per_unit);
    let ratio = limit.map_or(f64::NAN, |limit| cpu.median / limit.spread(|measured| measured.cpu_us_per_unit).median);
    let median = |figure: fn(&Measured) -> f64| runs.spread(figure).median;
    let _ = writeln!(
        table,
        "| {} | {} | {:.2} | {:.2} to {:.2} | {ratio:.2} | {:.0} | {:.2} | {:.2} | {} | {} | {} | {} | {} |",
        runs.row,
        runs.server,
        cpu.median,
        cpu.min,
        cpu.max,
        median(|measured| measured.units as f64 / measured.seconds),
        median(|measured| measured.server_core_share),
        median(|measured| measured.load_core_share),
        unless_zero(median(|measured| measured.p50_us) / 1e3),
        unless_zero(median(|measured| measured.p99_us) / 1e3),
        unless_zero(median(|measured| measured.idle_kib)),
        unless_zero(median(|measured| measured.idle_kib_after_message)),
        wrong(runs.runs.iter().map(|measured| measured.noticed)),
    );
}

fn unless_zero(figure: f64) -> String {
    if figure == 0.0 { String::new() } else { format!("{figure:.2}") }
}

/// What was wrong in all runs together.
fn wrong(all: impl Iterator<Item = Noticed>) -> String {
    let sum = all.fold(Noticed::default(), |sum, noticed| Noticed {
        lost: sum.lost + noticed.lost,
        repeated: sum.repeated + noticed.repeated,
        reordered: sum.reordered + noticed.reordered,
        altered: sum.altered + noticed.altered,
        misrouted: sum.misrouted + noticed.misrouted,
        closed: sum.closed + noticed.closed,
    });
    let named = [
        ("lost", sum.lost),
        ("repeated", sum.repeated),
        ("reordered", sum.reordered),
        ("altered", sum.altered),
        ("misrouted", sum.misrouted),
        ("closed", sum.closed),
    ];
    let list: Vec<String> =
        named.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{count} {name}")).collect();
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}
