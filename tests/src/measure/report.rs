//! The measured figures as a page and a picture: `docs/performance.md`, `docs/performance.svg`.
//! Invariant: both show every row, and say of each whether its goal holds; what people would use instead stands apart, as
//! a ratio that promises nothing.
//! Not here: how anything is measured.
use std::{
    fs,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow};
use plotters::{
    backend::SVGBackend,
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{PathElement, Rectangle, Text},
    style::{
        Color, IntoFont, RGBColor, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::Row;

/// Readable on white and on black alike.
const INK: RGBColor = RGBColor(128, 128, 128);
const HOLDS: RGBColor = RGBColor(38, 145, 130);
const SHORT: RGBColor = RGBColor(214, 110, 40);
/// In pixels; `GOAL` is the length of a bar that just holds.
const WIDTH: i32 = 960;
const ROW: i32 = 30;
const TOP: i32 = 44;
const LABELS: i32 = 370;
const GOAL: i32 = 260;
/// Longest bar, in goals.
const LONGEST: f64 = 2.0;
/// Above the rows of what people would use instead.
const HEADING: i32 = 56;
/// How long a bar is that stands for ten times as good, and the longest one, in such.
const TENFOLD: i32 = 130;
const LONGEST_TENFOLD: f64 = 3.0;

/// Writes both files below `docs`.
pub fn write(docs: &Path, rows: &[Row]) -> Result<()> {
    fs::write(docs.join("performance.md"), page(rows)?).context("performance.md")?;
    picture(&docs.join("performance.svg"), rows).context("performance.svg")
}

fn page(rows: &[Row]) -> Result<String> {
    let (hold, short) = super::judged(rows);
    let mut text = format!(
        "# Performance\n\n\
         Written by `cargo measure -- --write` on {}. Every figure stands beside its limit: measured in the same run, in \
         turn with ours, or the fixed one that the goal names. The machine was shared with other work (load {}), so \
         ratios tell more than times; what waits for the disk or for a processor suffers most.\n\n\
         {} goals hold, {short} fall short.\n\n\
         ![Each figure as a part of its goal](performance.svg)\n\n\
         | what | measured | limit | ratio | goal | | limit is |\n| --- | ---: | ---: | ---: | ---: | --- | --- |\n",
        today()?,
        load()?,
        hold,
    );
    for row in goals(rows) {
        text += &format!(
            "| {} | {} {} | {} | {:.2} | {} | {} | {} |\n",
            row.name,
            figure(row.measured),
            row.unit,
            figure(row.limit),
            row.ratio,
            row.goal,
            if row.holds { "holds" } else { "**short**" },
            row.beside,
        );
    }
    if short > 0 {
        text += "\n## What falls short\n\n";
        for row in goals(rows).filter(|row| !row.holds) {
            text += &format!("- **{}**: {}\n", row.name, why(&row.name));
        }
    }
    if rows.iter().any(|row| row.favour.is_some()) {
        text += &format!("\n{INSTEAD}");
    }
    for (row, favour) in compared(rows) {
        text += &format!(
            "| {} | {} {} | {} | × {} | {} |\n",
            row.name,
            figure(row.measured),
            row.unit,
            figure(row.limit),
            times(favour),
            row.beside,
        );
    }
    text += &format!("\n## Machine\n\n{}\n", machine()?);
    Ok(text)
}

/// What stands above the table of what people would use instead.
const INSTEAD: &str = "## Instead of what people would use\n\n\
    Ratios of the same run, not promises: the same sales in an Automerge document a wallet (a counter and its entries), \
    and a request to an online system as one signature check and one durable row. Above 1 speaks for ours, below for \
    theirs. An online request needs the network for each sale, which is not in its figure; a sale at our box is signed, \
    chained and folded, which is in ours. Two bars apart that each spend 5.00 of 5.00 leave −5.00 behind in any merge; \
    the difference is who hears of it.\n\n\
    | what | ours | theirs | in our favour | theirs is |\n| --- | ---: | ---: | ---: | --- |\n";

fn goals(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| row.favour.is_none())
}

fn compared(rows: &[Row]) -> impl Iterator<Item = (&Row, f64)> {
    rows.iter().filter_map(|row| Some((row, row.favour?)))
}

fn times(favour: f64) -> String {
    if favour >= 10.0 { format!("{favour:.0}") } else { format!("{favour:.2}") }
}

/// What a profile says of those that are known to fall short.
fn why(name: &str) -> &'static str {
    match name {
        "ticket verdict, beside one plain row" => {
            "the box's commit writes four pages where a plain row writes two (entry, sums, subject, hour). In a profile of \
             2026-11-22 most of the verdict waited for the flush; then came the ticket's \
             signature, the box's own, and the statements of look-up and fold"
        }
        "hub ingest, 100000 entries a transaction" => {
            "the plain rows add up nothing. In a profile of 2026-11-22 44 % of the hub's time went into the sums of \
             wallets and journals, kept so that nobody folds again, and 32 % into the rows themselves"
        }
        "NTAG215: whole tap, libnfc and a PN532" | "NTAG215: whole tap, PC/SC and an ACR122U" => {
            "the rows beside it tell the parts: two durable commits (our own part), the frames to the driver's process, \
             and what is left over is the way of nine commands through the library and its simulated line. The longer \
             tap of an Ultralight AES holds with the same milliseconds"
        }
        "ticket snapshot mapped, checked and opened" => {
            "all of it is the hash of every byte, once at load; opening the map alone takes microseconds"
        }
        "the whole journal checked behind it" => {
            "a box is open long before: this is the look behind its start, in the background, where everything is \
             folded once more and compared (decision 0024). The journal has a million entries that no hub has heard of. \
             In a profile of 2026-11-29 43 % of it went into their traces by band, which come in no order, a third of \
             that into pages of the copy that do not fit its 16 MB; 14 % into decoding and rules, 10 % into reading \
             rows, 9 % into SQLite's own check, 6 % into chain and hashes, 5 % into the comparison"
        }
        _ => "not explained by a profile yet",
    }
}

fn figure(value: f64) -> String {
    let digits = if value >= 1_000.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        3
    };
    format!("{value:.digits$}")
}

fn today() -> Result<String> {
    let days = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400;
    // civil from days, after H. Hinnant
    let z = i64::try_from(days)? + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    Ok(format!("{:04}-{month:02}-{day:02}", yoe + era * 400 + i64::from(month <= 2)))
}

fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or("?").into())
}

fn machine() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let mut models =
        cpus.lines().filter_map(|line| line.strip_prefix("model name")).map(|name| name.trim_matches([' ', '\t', ':']));
    let model = models.next().unwrap_or("an unnamed processor");
    let cores = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kb: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let rustc = Command::new("rustc").arg("--version").output().context("rustc")?;
    Ok(format!(
        "{cores} cores of {model}, {} GB, Linux {}, a virtual disk on ext4; {}; SQLite {}; this software {}.",
        kb / 1_000_000,
        kernel.trim(),
        String::from_utf8_lossy(&rustc.stdout).trim(),
        rusqlite::version(),
        env!("CARGO_PKG_VERSION"),
    ))
}

fn picture(path: &Path, rows: &[Row]) -> Result<()> {
    let (goals, compared): (Vec<&Row>, Vec<(&Row, f64)>) = (goals(rows).collect(), compared(rows).collect());
    let below = TOP + ROW * i32::try_from(goals.len())?;
    let apart = if compared.is_empty() { 0 } else { HEADING + ROW * i32::try_from(compared.len())? };
    let size = (u32::try_from(WIDTH)?, u32::try_from(below + apart + 12)?);
    let area = SVGBackend::new(path, size).into_drawing_area();
    let drawing = Drawing(&area);
    let goal = LABELS + GOAL;
    drawing.text("the goal".into(), (goal, 18), HPos::Center, 14)?;
    for (n, row) in (0..).zip(goals) {
        let length = (row.of_goal.clamp(0.0, LONGEST) * f64::from(GOAL)).round() as i32;
        let says = format!("{:.2} × ({})", row.of_goal, if row.holds { "holds" } else { "short" });
        let color = if row.holds { HOLDS } else { SHORT };
        drawing.row(TOP + ROW * n, row, (LABELS, LABELS + length.max(2)), color, says)?;
    }
    drawing.line(goal, 30, below + 6)?;
    if !compared.is_empty() {
        let (same, top) = (LABELS + TENFOLD, below + HEADING);
        drawing.text("instead of what people would use".into(), (LABELS - 10, top - 18), HPos::Right, 14)?;
        drawing.text("the same".into(), (same, top - 18), HPos::Center, 14)?;
        for (n, (row, favour)) in (0..).zip(compared) {
            let tenfold = favour.log10().clamp(-0.9, LONGEST_TENFOLD);
            let end = same + (tenfold * f64::from(TENFOLD)).round() as i32;
            let color = if favour >= 1.0 { HOLDS } else { SHORT };
            let bar = if end > same { (same, end.max(same + 2)) } else { (end.min(same - 2), same) };
            drawing.row(top + ROW * n, row, bar, color, format!("× {}", times(favour)))?;
        }
        drawing.line(same, top - 6, below + apart + 6)?;
    }
    area.present().map_err(|error| anyhow!("{error}"))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

struct Drawing<'a, 'b>(&'a Area<'b>);

impl Drawing<'_, '_> {
    fn text(&self, text: String, at: (i32, i32), side: HPos, pixels: i32) -> Result<()> {
        let style = TextStyle::from(("sans-serif", pixels).into_font()).color(&INK).pos(Pos::new(side, VPos::Center));
        self.0.draw(&Text::new(text, at, style)).map_err(|error| anyhow!("{error}"))
    }

    /// A row's name, its bar from one place to another, and what it says.
    fn row(&self, top: i32, row: &Row, bar: (i32, i32), color: RGBColor, says: String) -> Result<()> {
        let middle = top + ROW / 2;
        let rectangle = Rectangle::new([(bar.0, middle - 9), (bar.1, middle + 9)], color.filled());
        self.0.draw(&rectangle).map_err(|error| anyhow!("{error}"))?;
        self.text(row.name.clone(), (LABELS - 10, middle), HPos::Right, 14)?;
        self.text(says, (bar.1 + 8, middle), HPos::Left, 13)
    }

    fn line(&self, x: i32, from: i32, to: i32) -> Result<()> {
        let line = PathElement::new(vec![(x, from), (x, to)], INK.stroke_width(1));
        self.0.draw(&line).map_err(|error| anyhow!("{error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Better, Goal};

    #[test]
    fn page_and_picture_show_every_row_and_name_what_falls_short() {
        let dir = tempfile::tempdir().expect("a folder");
        let rows = [
            Row::new("holds well", "µs", 5.0, 10.0, Goal::AtMost(1.0)),
            Row::new("hub ingest, 100000 entries a transaction", "entries/s", 1.0, 2.0, Goal::AtLeast(0.75)),
            Row::instead("faster", "1/s", 300.0, 10.0, Better::More).beside("theirs"),
            Row::instead("longer", "µs", 12.0, 10.0, Better::Less).beside("theirs"),
        ];
        write(dir.path(), &rows).expect("written");
        let page = fs::read_to_string(dir.path().join("performance.md")).expect("a page");
        let picture = fs::read_to_string(dir.path().join("performance.svg")).expect("a picture");
        for row in &rows {
            assert!(page.contains(&row.name) && picture.contains(&row.name), "{}", row.name);
        }
        assert!(
            page.contains("1 goals hold, 1 fall short") && page.contains("the sums of wallets and journals"),
            "{page}"
        );
        let apart = page.split("## Instead of").nth(1).expect("a part of its own");
        assert!(apart.contains("| faster | 300.0 1/s | 10.0 | × 30 | theirs |") && apart.contains("× 0.83"), "{apart}");
        assert!(picture.contains("instead of what people would use") && picture.contains("× 30"), "{picture}");
        assert!(
            !picture.contains("fill=\"#FFFFFF\"") && !picture.contains("fill=\"#000000\""),
            "neither white nor black"
        );
    }
}
