//! The view over a store, drawn on a terminal in memory.

use super::data::TopShown;
use super::frame::{paint, room, screen};
use super::read::TopReader;
use super::source::TopSource;
use super::state::{TopKey, TopState};
use crate::args::TopArgs;
use ratatui_core::backend::TestBackend;
use ratatui_core::terminal::Terminal;
use std::time::Duration;
use tempfile::TempDir;
use tidalite::{RowAt, Store};

/// When the runs of these tests begin: 2024-01-01T00:00:00Z.
const START_US: i64 = 1_704_067_200_000_000;

/// A store and the view over it.
struct TopWatched {
    _dir: TempDir,
    store: Store,
    args: TopArgs,
    reader: TopReader,
    state: TopState,
    shown: TopShown,
}

impl TopWatched {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("s")).unwrap();
        let args = TopArgs {
            store: "metrics".into(),
            metrics: Vec::new(),
            runs: Vec::new(),
            filters: Vec::new(),
            interval: Duration::from_secs(1),
            once: false,
            width: None,
        };
        let (reader, state) = (TopReader::default(), TopState::new());
        TopWatched { _dir: dir, store, args, reader, state, shown: TopShown::default() }
    }

    /// A run with a falling loss, one step per second. It is running while the handle lives.
    fn begin(&self, id: &str, place: i64, steps: i64) -> tidalite::Run {
        let started_us = START_US + place * 1_000_000;
        let run = self.store.run(id).param("lr", 0.1).started_us(started_us).start().unwrap();
        for step in 0..steps {
            let at = RowAt::step(step).time_us(started_us + step * 1_000_000);
            run.log_at(&at, &[("train/loss", 1.0 / (step + 1) as f64), ("acc", step as f64)]).unwrap();
        }
        run
    }

    /// The screen after these keys.
    fn screen(&mut self, keys: &[TopKey], width: u16, height: u16) -> String {
        let draw = |view: &mut TopWatched| {
            let (columns, lines) = (usize::from(width), usize::from(height));
            let area = room(&view.state, columns, lines);
            let source = TopSource::new(view.store.snapshot().unwrap());
            let now_us = START_US + 3_600_000_000;
            let (data, shown) = view.reader.read(&source, &view.args, &mut view.state, area, now_us).unwrap();
            view.shown = shown;
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            let drawn = screen(&data, &view.state, columns, lines);
            assert!(
                columns < 20 || drawn.iter().all(|line| line.width() <= columns),
                "nothing is cut off by the terminal"
            );
            terminal
                .draw(|frame| {
                    let area = frame.area();
                    paint(&drawn, frame.buffer_mut(), area);
                })
                .unwrap();
            let cells = terminal.backend().buffer().content();
            let text = |row: &[ratatui_core::buffer::Cell]| {
                let row: String = row.iter().map(|cell| cell.symbol()).collect();
                format!("{}\n", row.trim_end())
            };
            cells.chunks(columns).map(text).collect::<String>()
        };
        let mut drawn = draw(self);
        for key in keys {
            let shown = self.shown;
            self.state.press(*key, &shown);
            drawn = draw(self);
        }
        drawn
    }
}

#[test]
fn the_runs_are_a_table_with_running_ones_first() {
    let mut view = TopWatched::new();
    view.begin("older", 0, 100).finish().unwrap();
    view.begin("newer", 1000, 100).finish().unwrap();
    let _live = view.begin("live", 500, 64);
    let drawn = view.screen(&[], 100, 12);
    assert_eq!(drawn, EXPECTED_TABLE, "\n{drawn}");
}

const EXPECTED_TABLE: &str = "\
tidalite top metrics   1 running of 3 runs
run    status        age     idle     step  steps/s  train/loss                    acc
live   running   51m 40s  50m 37s       63        1    0.01562 █▃▂▁▁▁▁▁▁▁▁▁         63 ▁▁▂▃▃▄▅▆▆▇██
newer  finished  43m 20s  41m 41s       99        1       0.01 █▂▁▁▁▁▁▁▁▁▁▁         99 ▁▁▂▃▃▄▅▆▆▇██
older  finished       1h  58m 21s       99        1       0.01 █▂▁▁▁▁▁▁▁▁▁▁         99 ▁▁▂▃▃▄▅▆▆▇██






↑↓ select   Enter charts   s order   / filter   ? help   q quit
";

#[test]
fn enter_shows_charts_of_the_selected_run() {
    let mut view = TopWatched::new();
    view.begin("one", 0, 100).finish().unwrap();
    let _live = view.begin("live", 500, 64);
    let drawn = view.screen(&[TopKey::Down, TopKey::Enter], 100, 18);
    assert!(drawn.starts_with("one  finished  step 99   1 steps/s   age 1h"), "\n{drawn}");
    assert!(drawn.contains("lr=0.1") && drawn.contains("Esc back"), "\n{drawn}");
    assert!(drawn.contains("train/loss") && drawn.contains("acc") && drawn.contains('⠉'), "\n{drawn}");
    // Beside each other.
    assert!(drawn.lines().any(|line| line.contains("train/loss") && line.contains("acc")), "\n{drawn}");
    let narrow = view.screen(&[TopKey::Down], 60, 18);
    assert!(narrow.contains("charts 2 to 2 of 2") && !narrow.contains("train/loss"), "\n{narrow}");
    assert!(view.screen(&[TopKey::Back], 60, 18).contains("tidalite top metrics"));
}

#[test]
fn a_filter_and_an_order_change_the_rows() {
    let mut view = TopWatched::new();
    for (id, steps) in [("b-1", 10), ("a-2", 20), ("b-3", 30)] {
        view.begin(id, steps, steps).finish().unwrap();
    }
    let rows = |drawn: &str| -> Vec<String> {
        let lines = drawn.lines().skip_while(|line| !line.starts_with("run")).skip(1);
        lines.take_while(|line| !line.is_empty()).map(|line| line[..3].to_string()).collect()
    };
    let drawn = view.screen(&[], 100, 20);
    assert_eq!(rows(&drawn), ["b-3", "a-2", "b-1"]);
    let drawn = view.screen(&[TopKey::Char('s')], 100, 20);
    assert_eq!(rows(&drawn), ["a-2", "b-1", "b-3"]);
    let drawn = view.screen(&[TopKey::Char('s')], 100, 20);
    assert!(rows(&drawn) == ["b-3", "a-2", "b-1"] && drawn.contains("by train/loss"), "\n{drawn}");
    let drawn = view.screen(&[TopKey::Char('/'), TopKey::Char('B'), TopKey::Char('-')], 100, 20);
    assert!(rows(&drawn) == ["b-3", "b-1"] && drawn.contains("/B-█   2 of 3 runs"), "\n{drawn}");
    let drawn = view.screen(&[TopKey::Char('x')], 100, 20);
    assert!(drawn.contains("no run matches"), "\n{drawn}");
    let drawn = view.screen(&[TopKey::Back, TopKey::Char('?')], 100, 20);
    assert!(drawn.contains("Any key closes this help"), "\n{drawn}");
}

#[test]
fn every_size_of_the_terminal_is_drawn() {
    let mut view = TopWatched::new();
    for i in 0..30 {
        view.begin(&format!("a-run-with-a-rather-long-name-{i}"), i, 3).finish().unwrap();
    }
    for (width, height) in [(1, 1), (5, 3), (20, 5), (60, 10), (200, 60)] {
        for keys in [&[][..], &[TopKey::End], &[TopKey::Enter], &[TopKey::Back, TopKey::Home]] {
            view.screen(keys, width, height);
        }
    }
    let mut empty = TopWatched::new();
    assert!(empty.screen(&[TopKey::Enter, TopKey::Down], 80, 10).contains("the store has no runs yet"));
}

#[test]
fn the_machine_of_the_selected_run_has_a_line() {
    let mut view = TopWatched::new();
    let run = view.begin("one", 0, 3);
    let gpu = |of: &str| RowAt::step(0).labels(tidalite::Labels::parse(of).unwrap());
    run.log_at(&RowAt::step(0), &[("system/cpu/total_percent", 37.0), ("system/memory/used_bytes", 12e9)])
        .unwrap();
    for of in ["gpu=0", "gpu=1"] {
        run.log_at(&gpu(of), &[("system/gpu/utilization_percent", 93.0), ("system/gpu/power_watts", 310.0)])
            .unwrap();
    }
    let drawn = view.screen(&[], 100, 12);
    assert!(
        drawn.contains("one: cpu 37 %  memory 12 GB   gpu 0  93 %  310 W   gpu 1  93 %  310 W"),
        "\n{drawn}"
    );
    assert!(!drawn.contains("system/"), "telemetry has no column:\n{drawn}");
}
