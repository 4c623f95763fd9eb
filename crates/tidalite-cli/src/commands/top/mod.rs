//! `top`: the runs of a store live in the terminal, or once as text.
//!
//! `state` says what is shown and what keys do, `read` reads that from a snapshot, `frame` draws it, `screen` is the
//! terminal. Each refresh takes one snapshot; a key draws the same snapshot anew.

mod cells;
mod charts;
mod data;
mod frame;
mod layout;
mod machine;
mod metrics;
mod rates;
mod read;
mod screen;
mod source;
mod state;
mod table;
#[cfg(test)]
mod tests;

use crate::args::TopArgs;
use crate::context::{Context, add_left_out, complete, complete_listing};
use crate::error::{CliError, CliResult};
use crate::interrupt::AwaitInterrupt;
use crate::output::print_text;
use read::{TopArea, TopReader};
use screen::{TopInput, TopScreen};
use source::TopSource;
use state::{TopEnd, TopState};
use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidalite::{Finding, Store};

/// The width of `--once`, and the most runs that it shows.
const ONCE: (u16, usize) = (100, 40);
/// How soon a signal is noticed.
const SIGNAL_WAIT: Duration = Duration::from_millis(250);

/// Runs the command.
pub(crate) fn run(context: &Context, args: &TopArgs) -> CliResult {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if !args.once && (dumb || !stdout().is_terminal()) {
        let text = "`top` draws on a terminal, and standard output is none; --once prints the view once, and `tidalite runs` \
                    lists runs for programs";
        return Err(CliError::Usage(text.into()));
    }
    if context.format_asked().is_some() {
        let text = "`top` is a view for people; `tidalite runs` and `tidalite query` give other formats";
        return Err(CliError::Usage(text.into()));
    }
    let store = context.read(&args.store)?;
    if args.once { once(context, args, &store) } else { live(context, args, &store) }
}

fn once(context: &Context, args: &TopArgs, store: &Store) -> CliResult {
    let (snapshot, damage) = context.readable(store)?;
    let width = args.width.unwrap_or(ONCE.0);
    let mut state = TopState::new();
    let area = TopArea { width: width.into(), height: ONCE.1 };
    let source = TopSource::new(snapshot);
    let (data, _) = TopReader::default().read(&source, args, &mut state, area, now_us())?;
    print_text(&frame::text(&frame::once(&data, &state, width.into()), width))?;
    complete_listing(damage, &source.select)
}

fn live(context: &Context, args: &TopArgs, store: &Store) -> CliResult {
    // Before the screen, so that the terminal is restored before Ctrl-C has its usual meaning again.
    let interrupt = AwaitInterrupt::new();
    let mut view = TopView { args, store, reader: TopReader::default(), state: TopState::new() };
    let mut damage = Vec::new();
    let end = view.watch(context, &mut TopScreen::open(context.color())?, &interrupt, &mut damage)?;
    match end {
        TopEnd::Quit => complete(damage),
        TopEnd::Interrupted => Err(CliError::Interrupted),
    }
}

/// The view while it is on the screen.
struct TopView<'a> {
    args: &'a TopArgs,
    store: &'a Store,
    reader: TopReader,
    state: TopState,
}

impl TopView<'_> {
    /// Shows the store until a key or a signal ends it.
    fn watch(
        &mut self,
        context: &Context,
        screen: &mut TopScreen,
        interrupt: &AwaitInterrupt,
        damage: &mut Vec<Finding>,
    ) -> CliResult<TopEnd> {
        loop {
            let refreshed = Instant::now();
            let snapshot;
            (snapshot, *damage) = context.readable(self.store)?;
            let source = TopSource::new(snapshot);
            let mut shown = self.show(screen, &source, damage)?;
            loop {
                if interrupt.came() {
                    return Ok(TopEnd::Interrupted);
                }
                let left = self.args.interval.saturating_sub(refreshed.elapsed());
                if left.is_zero() {
                    break;
                }
                let Some(input) = screen.wait(left.min(SIGNAL_WAIT))? else { continue };
                if let TopInput::Key(key) = input {
                    self.state.press(key, &shown);
                }
                if let Some(end) = self.state.end {
                    return Ok(end);
                }
                shown = self.show(screen, &source, damage)?;
            }
        }
    }

    fn show(
        &mut self,
        screen: &mut TopScreen,
        source: &TopSource,
        damage: &mut Vec<Finding>,
    ) -> CliResult<data::TopShown> {
        let (width, height) = screen.size()?;
        let area = frame::room(&self.state, width, height);
        let (mut data, shown) = self.reader.read(source, self.args, &mut self.state, area, now_us())?;
        add_left_out(damage, &source.select);
        if !damage.is_empty() {
            data.remarks.push("parts of the store are damaged and left out; q names them".into());
        }
        screen.show(&frame::screen(&data, &self.state, width, height))?;
        Ok(shown)
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
