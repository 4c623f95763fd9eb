//! Which columns of the table of runs fit a width, how wide they are, and how the charts of a run are placed.

/// Between columns.
pub(super) const GAP: usize = 2;
pub(super) const STATUS: usize = 8;
pub(super) const STEP: usize = 7;
pub(super) const RATE: usize = 7;
pub(super) const SPAN: usize = 7;
/// The last value of a metric.
pub(super) const VALUE: usize = 9;
/// The least and greatest width of a sparkline.
const SPARK: (usize, usize) = (6, 32);
/// The least width of ids.
const ID_MIN: usize = 12;
/// The most metrics.
pub(super) const METRICS_MAX: usize = 4;
/// The least size of a chart.
const CHART: (usize, usize) = (48, 11);
const CHART_COLUMNS_MAX: usize = 3;

/// The columns that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TopColumns {
    pub(super) id: usize,
    pub(super) step: bool,
    pub(super) idle: bool,
    pub(super) rate: bool,
    pub(super) age: bool,
    pub(super) metrics: usize,
    pub(super) spark: usize,
}

/// What a column needs besides those before it, the most important first.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Step,
    Metric,
    Idle,
    Rate,
    Age,
}

impl TopColumns {
    /// The columns that fit `width`, where ids have up to `ids` characters and there are so many metrics.
    pub(super) fn fitting(width: usize, ids: usize, metrics: usize) -> Self {
        let id = ids.min((width / 4).max(ID_MIN)).min(width.saturating_sub(GAP + STATUS)).max("run".len());
        let mut fit =
            TopColumns { id, step: false, idle: false, rate: false, age: false, metrics: 0, spark: 0 };
        let mut room = width.saturating_sub(id + GAP + STATUS);
        let metric = VALUE + 1 + SPARK.0;
        for wanted in [
            Wanted::Step,
            Wanted::Metric,
            Wanted::Idle,
            Wanted::Rate,
            Wanted::Metric,
            Wanted::Age,
            Wanted::Metric,
            Wanted::Metric,
        ] {
            let (there, needs) = match wanted {
                Wanted::Step => (true, STEP),
                Wanted::Metric => (fit.metrics < metrics.min(METRICS_MAX), metric),
                Wanted::Idle | Wanted::Age => (true, SPAN),
                Wanted::Rate => (true, RATE),
            };
            if !there || room < needs + GAP {
                continue;
            }
            room -= needs + GAP;
            match wanted {
                Wanted::Step => fit.step = true,
                Wanted::Metric => fit.metrics += 1,
                Wanted::Idle => fit.idle = true,
                Wanted::Rate => fit.rate = true,
                Wanted::Age => fit.age = true,
            }
        }
        // Long ids get their width first, as far as sparklines do not suffer much.
        let for_id = ids.saturating_sub(fit.id).min(room / 2);
        if let Some(each) = (room - for_id).checked_div(fit.metrics) {
            fit.spark = (SPARK.0 + each).min(SPARK.1);
            room -= (fit.spark - SPARK.0) * fit.metrics;
        }
        fit.id += ids.saturating_sub(fit.id).min(room);
        fit
    }
}

/// How the charts of a run are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChartGrid {
    pub(super) columns: usize,
    pub(super) lines: usize,
    /// Of one chart, without the gap to the next.
    pub(super) width: usize,
    pub(super) height: usize,
}

impl ChartGrid {
    /// The charts that fit; `charts` is how many there are.
    pub(super) fn fitting(width: usize, height: usize, charts: usize) -> Self {
        let columns = (width / CHART.0).clamp(1, CHART_COLUMNS_MAX).min(charts.max(1));
        let wanted = charts.div_ceil(columns).max(1);
        let lines = (height / CHART.1).clamp(1, wanted);
        let each = (width / columns).saturating_sub(if columns > 1 { GAP } else { 0 });
        ChartGrid { columns, lines, width: each, height: (height / lines).min(CHART.1 * 2) }
    }

    pub(super) fn on_screen(&self) -> usize {
        self.columns * self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(columns: &TopColumns) -> usize {
        let flags = [(columns.step, STEP), (columns.idle, SPAN), (columns.rate, RATE), (columns.age, SPAN)];
        let fixed: usize = flags.iter().filter(|(there, _)| *there).map(|(_, width)| width + GAP).sum();
        columns.id + GAP + STATUS + fixed + columns.metrics * (GAP + VALUE + 1 + columns.spark)
    }

    #[test]
    fn columns_fit_every_width_and_wider_ones_show_more() {
        let mut before = 0;
        for width in 20..400 {
            for (ids, metrics) in [(3, 0), (9, 1), (60, 4), (200, 9)] {
                let columns = TopColumns::fitting(width, ids, metrics);
                assert!(used(&columns) <= width, "{width} {ids} {columns:?}");
            }
            let columns = TopColumns::fitting(width, 16, 4);
            assert!(columns.metrics >= before, "{width} {columns:?}");
            before = columns.metrics;
        }
        assert_eq!(before, 4);
    }

    #[test]
    fn sixty_characters_show_the_step_and_one_metric() {
        let columns = TopColumns::fitting(60, 16, 4);
        assert_eq!((columns.step, columns.metrics), (true, 1), "{columns:?}");
        let columns = TopColumns::fitting(200, 16, 4);
        assert!(columns.step && columns.idle && columns.rate && columns.age && columns.metrics == 4);
        assert_eq!(columns.id, 16);
    }

    #[test]
    fn charts_fill_the_screen() {
        let one = ChartGrid::fitting(60, 20, 9);
        assert_eq!((one.columns, one.lines), (1, 1));
        let many = ChartGrid::fitting(200, 50, 30);
        assert_eq!((many.columns, many.lines, many.on_screen()), (3, 4, 12));
        assert!(many.height * many.lines <= 50 && (many.width + GAP) * many.columns <= 200);
        assert_eq!(ChartGrid::fitting(200, 50, 1).columns, 1);
    }
}
