//! The measured figures as a page and a picture: `docs/performance.md`, `docs/performance.svg`.
//! Invariant: both show every row, and say of each whether its goal holds.
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
    drawing::IntoDrawingArea,
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

/// Writes both files below `docs`.
pub fn write(docs: &Path, rows: &[Row]) -> Result<()> {
    fs::write(docs.join("performance.md"), page(rows)?).context("performance.md")?;
    picture(&docs.join("performance.svg"), rows).context("performance.svg")
}

fn page(rows: &[Row]) -> Result<String> {
    let short = rows.iter().filter(|row| !row.holds).count();
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
        rows.len() - short,
    );
    for row in rows {
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
        for row in rows.iter().filter(|row| !row.holds) {
            text += &format!("- **{}**: {}\n", row.name, why(&row.name));
        }
    }
    text += &format!("\n## Machine\n\n{}\n", machine()?);
    Ok(text)
}

/// What a profile says of those that are known to fall short.
fn why(name: &str) -> &'static str {
    match name {
        "ticket verdict, beside one plain row" => {
            "the box's commit writes five pages where a plain row writes two (entry, total, subject, hour and their \
             index). In a profile of 2026-11-22 most of the verdict waited for the flush; then came the ticket's \
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
    let height = TOP + ROW * i32::try_from(rows.len())? + 12;
    let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
    let area = SVGBackend::new(path, size).into_drawing_area();
    let failed = |error| anyhow!("{error}");
    let style = |horizontal, color: &'static RGBColor, pixels: i32| {
        TextStyle::from(("sans-serif", pixels).into_font()).color(color).pos(Pos::new(horizontal, VPos::Center))
    };
    let text = |text: String, at: (i32, i32), style: TextStyle<'static>| Text::new(text, at, style);
    let goal = LABELS + GOAL;
    let heading = text("the goal".into(), (goal, 18), style(HPos::Center, &INK, 14));
    area.draw(&heading).map_err(|error| failed(format!("{error}")))?;
    for (n, row) in (0i32..).zip(rows) {
        let middle = TOP + ROW * n + ROW / 2;
        let color = if row.holds { HOLDS } else { SHORT };
        let length = (row.of_goal.clamp(0.0, LONGEST) * f64::from(GOAL)).round() as i32;
        let bar = Rectangle::new([(LABELS, middle - 9), (LABELS + length.max(2), middle + 9)], color.filled());
        area.draw(&bar).map_err(|error| failed(format!("{error}")))?;
        let name = text(row.name.clone(), (LABELS - 10, middle), style(HPos::Right, &INK, 14));
        area.draw(&name).map_err(|error| failed(format!("{error}")))?;
        let says = format!("{:.2} × ({})", row.of_goal, if row.holds { "holds" } else { "short" });
        let says = text(says, (LABELS + length.max(2) + 8, middle), style(HPos::Left, &INK, 13));
        area.draw(&says).map_err(|error| failed(format!("{error}")))?;
    }
    let line = PathElement::new(vec![(goal, 30), (goal, height - 6)], INK.stroke_width(1));
    area.draw(&line).map_err(|error| failed(format!("{error}")))?;
    area.present().map_err(|error| failed(format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Goal;

    #[test]
    fn page_and_picture_show_every_row_and_name_what_falls_short() {
        let dir = tempfile::tempdir().expect("a folder");
        let rows = [
            Row::new("holds well", "µs", 5.0, 10.0, Goal::AtMost(1.0)),
            Row::new("hub ingest, 100000 entries a transaction", "entries/s", 1.0, 2.0, Goal::AtLeast(0.75)),
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
        assert!(
            !picture.contains("fill=\"#FFFFFF\"") && !picture.contains("fill=\"#000000\""),
            "neither white nor black"
        );
    }
}
