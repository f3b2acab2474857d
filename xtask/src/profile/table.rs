//! A profile for people.

use crate::model::profile::{Function, Profile, Space};
use comfy_table::{CellAlignment, Table, presets::NOTHING};

/// Functions that are shown, unless one more would be all.
const SHOWN: usize = 20;

/// A figure with as many digits as it is worth.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        ..100.0 => format!("{value:.2}"),
        100.0..10_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A difference, with its sign.
#[must_use]
pub fn signed(value: f64) -> String {
    match value {
        ..0.0 => number(value),
        _ => format!("+{}", number(value)),
    }
}

/// Columns of a function's name. Those of Rust and C++ are longer than a line.
const NAME: usize = 44;

/// A function's name as a table has room for it: what is cut is in the middle,
/// since the end tells it from others.
#[must_use]
pub fn shortened(name: &str) -> String {
    let all: Vec<char> = name.chars().collect();
    if all.len() <= NAME {
        return name.to_owned();
    }
    let half = NAME / 2;
    let begin = all[..half - 1].iter();
    begin
        .chain(&['…'])
        .chain(&all[all.len() - half..])
        .collect()
}

/// The functions with the most instructions, what the others have together,
/// and the whole.
#[must_use]
pub fn render(profile: &Profile) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["instructions", "share", "calls", "", "function"]);
    let shown = match profile.functions.len() {
        all if all <= SHOWN + 1 => all,
        _ => SHOWN,
    };
    let share = |instructions: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a share of two digits")]
        let share =
            instructions as f64 / profile.instructions.max(1) as f64 * 100.0;
        format!("{share:.2} %")
    };
    let mut row = |instructions: u64, calls: Option<u64>, of: [&str; 2]| {
        let calls = calls.map(|calls| number(profile.each(calls)));
        table.add_row([
            number(profile.each(instructions)),
            share(instructions),
            calls.unwrap_or_default(),
            of[0].to_owned(),
            of[1].to_owned(),
        ]);
    };
    for function in &profile.functions[..shown] {
        let Function { name, space, .. } = function;
        let (instructions, calls) = (function.instructions, function.calls);
        // What has no name has no beginning either.
        let calls = Some(calls).filter(|calls| *calls > 0);
        row(instructions, calls, [space.name(), &shortened(name)]);
    }
    let rest = &profile.functions[shown..];
    if !rest.is_empty() {
        let sum = rest.iter().map(|function| function.instructions).sum();
        row(sum, None, ["", &format!("{} more", rest.len())]);
    }
    row(profile.instructions, None, ["", "all"]);
    for column in table.column_iter_mut().take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let user = share(profile.of_space(Space::User));
    let each = match profile.iterations {
        0 => "in the run, which has no iterations".to_owned(),
        1 => "in 1 iteration".to_owned(),
        n => format!("an iteration, of {n}"),
    };
    format!(
        "  exact profile: {} instructions {each}; {user} of them user \
         space's\n{}\n",
        number(profile.each(profile.instructions)),
        table.trim_fmt()
    )
}
