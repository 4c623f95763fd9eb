//! What the view shows, and how keys change it. Nothing here reads a store or draws.

use super::data::TopShown;

/// A key that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopKey {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    /// Esc.
    Back,
    Backspace,
    /// Ctrl-C.
    Interrupt,
    Char(char),
}

/// Which page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopPage {
    /// The table of runs.
    Runs,
    /// The charts of the selected run.
    Charts,
}

/// The order of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopOrder {
    /// Running ones first, then the newest.
    Newest,
    /// By id.
    Id,
    /// By the last value of the metric in this column, least first.
    Value(usize),
}

/// Why the view ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TopEnd {
    Quit,
    Interrupted,
}

/// What is shown.
#[derive(Debug, Clone)]
pub(super) struct TopState {
    pub(super) page: TopPage,
    pub(super) order: TopOrder,
    /// Only runs with this text; empty for all.
    pub(super) filter: String,
    /// Whether keys go into the filter.
    pub(super) typing: bool,
    pub(super) help: bool,
    pub(super) end: Option<TopEnd>,
    /// The place of the selected run among the runs in order.
    pub(super) selected: usize,
    /// The first run that is shown.
    pub(super) first: usize,
    /// The first chart that is shown.
    pub(super) first_chart: usize,
    /// The id of the selected run, once one was selected by hand.
    follows: Option<String>,
    /// Whether the selection moved since it was last settled.
    moved: bool,
}

impl TopState {
    pub(super) fn new() -> Self {
        TopState {
            page: TopPage::Runs,
            order: TopOrder::Newest,
            filter: String::new(),
            typing: false,
            help: false,
            end: None,
            selected: 0,
            first: 0,
            first_chart: 0,
            follows: None,
            moved: false,
        }
    }

    /// Takes a key; `shown` is what is on the screen.
    pub(super) fn press(&mut self, key: TopKey, shown: &TopShown) {
        if key == TopKey::Interrupt {
            self.end = Some(TopEnd::Interrupted);
        } else if self.typing {
            self.type_key(key);
        } else if self.help {
            self.help = false;
            if key == TopKey::Char('q') {
                self.end = Some(TopEnd::Quit);
            }
        } else {
            self.command(key, shown);
        }
    }

    fn type_key(&mut self, key: TopKey) {
        match key {
            TopKey::Enter => self.typing = false,
            TopKey::Back => {
                self.typing = false;
                self.filter.clear();
            }
            TopKey::Backspace => drop(self.filter.pop()),
            TopKey::Char(c) => self.filter.push(c),
            _ => {}
        }
    }

    fn command(&mut self, key: TopKey, shown: &TopShown) {
        match (key, self.page) {
            (TopKey::Char('q'), _) | (TopKey::Back, TopPage::Runs) if self.filter.is_empty() => {
                self.end = Some(TopEnd::Quit);
            }
            (TopKey::Char('q'), _) => self.end = Some(TopEnd::Quit),
            (TopKey::Char('?'), _) => self.help = true,
            (TopKey::Back, TopPage::Charts) => self.page = TopPage::Runs,
            (TopKey::Back, TopPage::Runs) => self.filter.clear(),
            (TopKey::Char('/'), TopPage::Runs) => self.typing = true,
            (TopKey::Char('s'), TopPage::Runs) => self.order = self.order.next(shown.columns),
            (TopKey::Enter, TopPage::Runs) if shown.runs > 0 => {
                (self.page, self.first_chart) = (TopPage::Charts, 0);
                self.moved = true;
            }
            (TopKey::Enter, TopPage::Charts) => self.page = TopPage::Runs,
            _ => self.scroll(key, shown),
        }
    }

    fn scroll(&mut self, key: TopKey, shown: &TopShown) {
        let (at, count, line, screen) = match self.page {
            TopPage::Runs => (self.selected, shown.runs, 1, shown.rows),
            // A line of charts at a time, and no further than that the last screen is full.
            TopPage::Charts => {
                (self.first_chart, shown.charts_past_screen(), shown.chart_columns, shown.charts_on_screen)
            }
        };
        let last = count.saturating_sub(1);
        let to = match key {
            TopKey::Up | TopKey::Char('k') => at.saturating_sub(line),
            TopKey::Down | TopKey::Char('j') => at + line,
            TopKey::PageUp => at.saturating_sub(screen),
            TopKey::PageDown => at + screen,
            TopKey::Home => 0,
            TopKey::End => last,
            _ => return,
        };
        match self.page {
            TopPage::Runs => (self.selected, self.moved) = (to.min(last), true),
            TopPage::Charts => self.first_chart = to.min(last) / line.max(1) * line.max(1),
        }
    }

    /// Finds the selected run among the runs in order, of which `rows` fit, and keeps it on the screen. The selection stays
    /// with a run that was selected by hand; otherwise it stays at the top.
    pub(super) fn settle<'a>(&mut self, ids: impl ExactSizeIterator<Item = &'a str> + Clone, rows: usize) {
        let last = ids.len().saturating_sub(1);
        if !std::mem::take(&mut self.moved)
            && let Some(place) =
                self.follows.as_deref().and_then(|id| ids.clone().position(|other| other == id))
        {
            self.selected = place;
        }
        self.selected = self.selected.min(last);
        let by_hand = self.selected > 0 || self.page == TopPage::Charts;
        self.follows = ids.clone().nth(self.selected).filter(|_| by_hand).map(str::to_string);
        let rows = rows.max(1);
        self.first = self.first.min(self.selected).max((self.selected + 1).saturating_sub(rows));
        self.first = self.first.min(ids.len().saturating_sub(rows));
    }
}

impl TopOrder {
    fn next(self, columns: usize) -> Self {
        match self {
            TopOrder::Newest => TopOrder::Id,
            TopOrder::Id if columns > 0 => TopOrder::Value(0),
            TopOrder::Value(at) if at + 1 < columns => TopOrder::Value(at + 1),
            TopOrder::Id | TopOrder::Value(_) => TopOrder::Newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: TopShown =
        TopShown { runs: 50, rows: 10, columns: 2, charts: 9, charts_on_screen: 4, chart_columns: 2 };

    fn pressed(state: &TopState, keys: &[TopKey]) -> TopState {
        let mut state = state.clone();
        keys.iter().for_each(|key| state.press(*key, &SHOWN));
        state
    }

    #[test]
    fn q_esc_and_interrupt_quit() {
        let new = TopState::new();
        assert_eq!(pressed(&new, &[TopKey::Char('q')]).end, Some(TopEnd::Quit));
        assert_eq!(pressed(&new, &[TopKey::Back]).end, Some(TopEnd::Quit));
        assert_eq!(pressed(&new, &[TopKey::Interrupt]).end, Some(TopEnd::Interrupted));
        let typing = pressed(&new, &[TopKey::Char('/'), TopKey::Char('q')]);
        assert_eq!((typing.end, typing.filter.as_str()), (None, "q"));
        assert_eq!(pressed(&typing, &[TopKey::Interrupt]).end, Some(TopEnd::Interrupted));
    }

    #[test]
    fn esc_takes_back_one_thing_at_a_time() {
        let keys = [TopKey::Char('/'), TopKey::Char('a'), TopKey::Enter, TopKey::Enter, TopKey::Char('?')];
        let state = pressed(&TopState::new(), &keys);
        assert!(state.help && state.page == TopPage::Charts && state.filter == "a");
        let state = pressed(&state, &[TopKey::Back]);
        assert!(!state.help && state.page == TopPage::Charts);
        let state = pressed(&state, &[TopKey::Back]);
        assert!(state.page == TopPage::Runs && state.filter == "a");
        let state = pressed(&state, &[TopKey::Back]);
        assert!(state.filter.is_empty() && state.end.is_none());
        assert_eq!(pressed(&state, &[TopKey::Back]).end, Some(TopEnd::Quit));
        let typed = pressed(
            &TopState::new(),
            &[TopKey::Char('/'), TopKey::Char('a'), TopKey::Backspace, TopKey::Back],
        );
        assert!(!typed.typing && typed.filter.is_empty() && typed.end.is_none());
    }

    #[test]
    fn s_goes_through_the_orders() {
        let mut state = TopState::new();
        let mut orders = Vec::new();
        for _ in 0..4 {
            state.press(TopKey::Char('s'), &SHOWN);
            orders.push(state.order);
        }
        assert_eq!(orders, [TopOrder::Id, TopOrder::Value(0), TopOrder::Value(1), TopOrder::Newest]);
    }

    #[test]
    fn the_selection_stays_within_the_runs_and_on_the_screen() {
        let ids: Vec<String> = (0..50).map(|i| format!("run-{i:02}")).collect();
        let settle = |state: &mut TopState| state.settle(ids.iter().map(String::as_str), SHOWN.rows);
        let mut state = pressed(&TopState::new(), &[TopKey::Up]);
        settle(&mut state);
        assert_eq!((state.selected, state.first), (0, 0));
        state = pressed(&state, &[TopKey::PageDown, TopKey::Down]);
        settle(&mut state);
        assert_eq!((state.selected, state.first), (11, 2));
        state = pressed(&state, &[TopKey::End, TopKey::Down]);
        settle(&mut state);
        assert_eq!((state.selected, state.first), (49, 40));
        state = pressed(&state, &[TopKey::Home]);
        settle(&mut state);
        assert_eq!((state.selected, state.first), (0, 0));
        state.settle([].into_iter(), 10);
        assert_eq!((state.selected, state.first), (0, 0));
    }

    #[test]
    fn the_selection_follows_its_run_and_otherwise_stays_at_the_top() {
        let mut state = TopState::new();
        state.settle(["a", "b"].into_iter(), 10);
        state.settle(["new", "a", "b"].into_iter(), 10);
        assert_eq!(state.selected, 0);
        state.press(TopKey::Down, &SHOWN);
        state.settle(["new", "a", "b"].into_iter(), 10);
        state.settle(["newer", "new", "a", "b"].into_iter(), 10);
        assert_eq!(state.selected, 2);
        state.settle(["newer", "b"].into_iter(), 10);
        assert_eq!(state.selected, 1);
    }

    #[test]
    fn charts_scroll_by_lines_and_a_key_closes_the_help() {
        let mut state = pressed(&TopState::new(), &[TopKey::Enter, TopKey::Down]);
        assert_eq!(state.first_chart, 2);
        state = pressed(&state, &[TopKey::End]);
        assert_eq!(state.first_chart, 6, "charts 6, 7 and 8 are on the last screen");
        state = pressed(&state, &[TopKey::PageUp, TopKey::Char('?'), TopKey::Down]);
        assert_eq!((state.first_chart, state.help), (2, false));
    }
}
