//! Assigns a file's columns to the columns of the long form, by name or mapping.

use super::fault::{ImportFault, quoted};
use super::options::Import;
use crate::write::edit::check_edit;
use std::collections::HashSet;
use tidalite_model::{RunEdit, check_name};

/// A column of the long form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Run,
    Metric,
    Labels,
    Step,
    Time,
    Value,
}

/// All roles, in discriminant order.
pub(crate) const ROLES: [Role; 6] =
    [Role::Run, Role::Metric, Role::Labels, Role::Step, Role::Time, Role::Value];

/// The most columns of a table. A wide row is one unit, so it must fit in a batch.
pub(crate) const COLUMNS_MAX: usize = 65_536;

/// The most columns listed in a message.
const LISTED_MAX: usize = 12;

/// The layout of a file's points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableForm {
    /// One row per point.
    Long,
    /// One column per metric.
    Wide,
}

/// The use of one column of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnUse {
    Role(Role),
    /// A metric of a wide table, named as the column.
    Metric,
    /// A label whose key is the column's name.
    Label,
    Ignored,
}

/// The form of a file, and the columns that have roles.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) form: TableForm,
    /// By role: the name of its column.
    pub(crate) sources: [Option<String>; ROLES.len()],
    /// The run of all points, if no column gives it.
    pub(crate) run: Option<String>,
    /// The metric of all points of a long table, if no column gives it.
    pub(crate) metric: Option<String>,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Run => "run",
            Role::Metric => "metric",
            Role::Labels => "labels",
            Role::Step => "step",
            Role::Time => "time",
            Role::Value => "value",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Role> {
        ROLES.into_iter().find(|r| r.name() == name)
    }
}

impl Shape {
    /// The name of the column with a role.
    pub(crate) fn source(&self, role: Role) -> Option<&str> {
        self.sources[role as usize].as_deref()
    }
}

impl Import {
    /// Refuses options that contradict each other. Needs no file.
    pub(super) fn check(&self) -> Result<(), ImportFault> {
        let mut targets = HashSet::new();
        let mut sources = HashSet::new();
        for (target, source) in &self.map {
            if Role::named(target).is_none() {
                let wrong = format!("{} is not a column to map to", quoted(target));
                return Err(ImportFault::wrong(
                    wrong,
                    "map to run, metric, labels, step, time or value (target=source)",
                ));
            }
            if !targets.insert(target) || !sources.insert(source) {
                let wrong = format!(
                    "the mapping {target}={source} names a column that another mapping already names"
                );
                return Err(ImportFault::wrong(wrong, "map each column once"));
            }
            if self.ignore.contains(source) {
                return Err(ImportFault::wrong(
                    format!("column {} is both mapped and ignored", quoted(source)),
                    "do one of the two",
                ));
            }
            if self.wide == Some(true) && matches!(target.as_str(), "metric" | "value") {
                let wrong = format!("{target} is mapped, and a wide table has no such column");
                return Err(ImportFault::wrong(wrong, "drop the mapping, or import as a long table"));
            }
        }
        for column in &self.label_columns {
            if self.ignore.contains(column) || sources.contains(column) {
                return Err(ImportFault::wrong(
                    format!("column {} is a label, and is mapped or ignored too", quoted(column)),
                    "do one of the two",
                ));
            }
        }
        if let Some(metric) = &self.metric {
            check_name("metric", metric)
                .map_err(|e| ImportFault::wrong(e.wrong(), "give another name of the metric"))?;
            if targets.iter().any(|t| *t == "metric") {
                return Err(ImportFault::wrong(
                    "a metric is given, and a column is mapped to metric",
                    "do one of the two",
                ));
            }
        }
        self.check_run(&targets)?;
        if !self.delimiter.is_none_or(|d| d.is_ascii() && !matches!(d, '"' | '\n' | '\r')) {
            return Err(ImportFault::wrong(
                "the delimiter is not usable",
                "give one ASCII character other than a quote or a line end",
            ));
        }
        Ok(())
    }

    fn check_run(&self, targets: &HashSet<&String>) -> Result<(), ImportFault> {
        if self.run.is_none() && self.edit != RunEdit::default() {
            return Err(ImportFault::wrong(
                "params, tags, a name, a status or a start are given, and no run",
                "give the run too",
            ));
        }
        check_edit(&self.edit).map_err(|e| ImportFault::wrong(e.wrong(), "correct it"))?;
        if let Some(run) = &self.run {
            check_name("run id", run).map_err(|e| ImportFault::wrong(e.wrong(), "give another run id"))?;
            if targets.iter().any(|t| *t == "run") {
                return Err(ImportFault::wrong(
                    "a run is given, and a column is mapped to run",
                    "do one of the two",
                ));
            }
        }
        Ok(())
    }

    /// The use of a column by its name and the form. `None` for an unknown column of a long table.
    pub(super) fn slot(&self, name: &str, form: TableForm) -> Option<ColumnUse> {
        if let Some((target, _)) = self.map.iter().find(|(_, source)| source == name) {
            return Role::named(target).map(ColumnUse::Role);
        }
        if self.ignore.iter().any(|i| i == name) {
            return Some(ColumnUse::Ignored);
        }
        if self.label_columns.iter().any(|l| l == name) {
            return Some(ColumnUse::Label);
        }
        if self.metrics.as_ref().is_some_and(|m| m.iter().any(|m| m == name)) {
            return Some(ColumnUse::Metric);
        }
        let unmapped = |r: &Role| !self.map.iter().any(|(target, _)| target == r.name());
        let taken = |r: &Role| form == TableForm::Long || !matches!(r, Role::Metric | Role::Value);
        match Role::named(name).filter(unmapped).filter(taken) {
            Some(role) => Some(ColumnUse::Role(role)),
            None if form == TableForm::Long => None,
            None if self.metrics.is_some() || name.is_empty() && self.columns.is_some() => {
                Some(ColumnUse::Ignored)
            }
            None => Some(ColumnUse::Metric),
        }
    }

    /// The form and the column uses of a file. An `open` list may grow, as keys of JSON objects do.
    pub(super) fn shape(&self, names: &[&str], open: bool) -> Result<(Shape, Vec<ColumnUse>), ImportFault> {
        if names.len() > COLUMNS_MAX {
            let wrong = format!("there are {} columns", names.len());
            return Err(ImportFault::wrong(
                wrong,
                format!("split the table into tables of at most {COLUMNS_MAX} columns"),
            ));
        }
        for (target, source) in &self.map {
            let may_come_later = open && target == "labels";
            if !may_come_later && !names.contains(&source.as_str()) {
                let wrong = format!(
                    "there is no column {}, mapped to {target}; there are {}",
                    quoted(source),
                    list(names)
                );
                return Err(ImportFault::wrong(wrong, "map a column that exists"));
            }
        }
        let named = self.label_columns.iter().chain(self.metrics.iter().flatten());
        if let Some(missing) = named.into_iter().find(|n| !open && !names.contains(&n.as_str())) {
            let wrong = format!("there is no column {}; there are {}", quoted(missing), list(names));
            return Err(ImportFault::wrong(wrong, "name columns that exist"));
        }
        let form = self.form(names)?;
        let mut shape = Shape { form, sources: Default::default(), run: self.run.clone(), metric: None };
        let mut slots = Vec::with_capacity(names.len());
        let mut extra = Vec::new();
        let mut seen = HashSet::new();
        for name in names {
            let slot = self.slot(name, form);
            if slot != Some(ColumnUse::Ignored) && !seen.insert(name) {
                let wrong = format!("column {} occurs twice", quoted(name));
                return Err(ImportFault::wrong(wrong, "rename one of the two, or ignore both"));
            }
            match slot {
                Some(ColumnUse::Role(role)) => shape.sources[role as usize] = Some((*name).to_owned()),
                Some(_) => {}
                None => extra.push(*name),
            }
            slots.push(slot.unwrap_or(ColumnUse::Ignored));
        }
        if form == TableForm::Long && shape.source(Role::Metric).is_none() {
            shape.metric = self.metric.clone().or_else(|| self.file_metric.clone());
        }
        if !extra.is_empty() {
            let wrong = format!("these are not columns of a table of points: {}", list(&extra));
            return Err(ImportFault::wrong(
                wrong,
                "map them (target=source), read them as labels, ignore them, or import as a wide table",
            ));
        }
        self.check_shape(&shape, &slots, names, open)?;
        Ok((shape, slots))
    }

    /// Long or wide: as given, or by the presence of the columns `metric` and `value`.
    fn form(&self, names: &[&str]) -> Result<TableForm, ImportFault> {
        if let Some(wide) = self.wide {
            return Ok(if wide { TableForm::Wide } else { TableForm::Long });
        }
        let has =
            |role: Role| names.iter().any(|n| self.slot(n, TableForm::Long) == Some(ColumnUse::Role(role)));
        match (has(Role::Metric), has(Role::Value)) {
            (true, true) => Ok(TableForm::Long),
            (false, false) => Ok(TableForm::Wide),
            (false, true) if self.metric.is_some() => Ok(TableForm::Long),
            // A file of one metric. With other columns, `value` may as well be a metric among them.
            (false, true)
                if self.file_metric.is_some()
                    && names.iter().all(|n| self.slot(n, TableForm::Long).is_some()) =>
            {
                Ok(TableForm::Long)
            }
            (metric, _) => {
                let (there, missing) = if metric { ("metric", "value") } else { ("value", "metric") };
                let wrong =
                    format!("there is a column {there}, but no column {missing}; there are {}", list(names));
                let or_give = if metric { "" } else { ", or give the metric" };
                Err(ImportFault::wrong(
                    wrong,
                    format!("map one ({missing}=its name), or import as a wide table{or_give}"),
                ))
            }
        }
    }

    fn check_shape(
        &self,
        shape: &Shape,
        slots: &[ColumnUse],
        names: &[&str],
        open: bool,
    ) -> Result<(), ImportFault> {
        match (shape.source(Role::Run), &self.run) {
            (Some(column), Some(_)) => {
                let wrong = format!("a run is given, and column {} holds runs too", quoted(column));
                return Err(ImportFault::wrong(wrong, "give no run, or ignore the column"));
            }
            (None, None) => {
                let wrong = format!("there is no column run; there are {}", list(names));
                return Err(ImportFault::wrong(
                    wrong,
                    "map one (run=its name), or give the run that all points belong to",
                ));
            }
            _ => {}
        }
        match shape.form {
            TableForm::Long => {
                if let (Some(column), Some(_)) = (shape.source(Role::Metric), &self.metric) {
                    let wrong = format!("a metric is given, and column {} holds metrics too", quoted(column));
                    return Err(ImportFault::wrong(wrong, "give no metric, or ignore the column"));
                }
                for role in [Role::Metric, Role::Value] {
                    let given = role == Role::Metric && shape.metric.is_some();
                    if shape.source(role).is_none() && !given {
                        let wrong = format!("there is no column {}; there are {}", role.name(), list(names));
                        return Err(ImportFault::wrong(wrong, format!("map one ({}=its name)", role.name())));
                    }
                }
            }
            TableForm::Wide if !open && !slots.contains(&ColumnUse::Metric) => {
                let wrong = format!("no column is left to be a metric; there are {}", list(names));
                return Err(ImportFault::wrong(
                    wrong,
                    "give a table with a column for each metric, or with metric and value",
                ));
            }
            TableForm::Wide => {}
        }
        if let Some(at) = names
            .iter()
            .zip(slots)
            .position(|(n, s)| *s == ColumnUse::Metric && check_name("metric", n).is_err())
        {
            let wrong = format!(
                "column {} has a name of {} bytes, and a metric's has 1 to 4096",
                at + 1,
                names[at].len()
            );
            return Err(ImportFault::wrong(
                wrong,
                "name it, map it (step= for the row index of pandas), or ignore it",
            ));
        }
        Ok(())
    }
}

pub(super) fn list(names: &[&str]) -> String {
    let mut text = names.iter().take(LISTED_MAX).map(|n| quoted(n)).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED_MAX {
        text.push_str(&format!(" and {} more", names.len() - LISTED_MAX));
    }
    if names.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(import: &Import, names: &[&str]) -> String {
        match import.check().and_then(|()| import.shape(names, false).map(|_| ())) {
            Err(ImportFault::Wrong { wrong, remedy, .. }) => format!("{wrong}; {remedy}"),
            other => panic!("{names:?} were taken: {other:?}"),
        }
    }

    #[test]
    fn the_columns_determine_the_form() {
        let long = ["run", "metric", "step", "value"];
        assert_eq!(Import::new().shape(&long, false).unwrap().0.form, TableForm::Long);
        let wide = ["run", "step", "loss"];
        let (shape, slots) = Import::new().shape(&wide, false).unwrap();
        assert_eq!((shape.form, slots[2]), (TableForm::Wide, ColumnUse::Metric));
        let mapped = Import::new().map("metric", "name").map("value", "v").run("r");
        assert_eq!(mapped.shape(&["name", "v"], false).unwrap().0.form, TableForm::Long);
        // In a wide table, `value` is a metric like any other.
        let (_, slots) = Import::new().run("r").wide(true).shape(&["step", "value"], false).unwrap();
        assert_eq!(slots, [ColumnUse::Role(Role::Step), ColumnUse::Metric]);
    }

    #[test]
    fn a_mapped_role_frees_its_own_name() {
        let import = Import::new().map("step", "epoch").run("r").ignore("step");
        let (shape, slots) = import.shape(&["epoch", "step", "loss"], false).unwrap();
        assert_eq!(shape.source(Role::Step), Some("epoch"));
        assert_eq!(slots, [ColumnUse::Role(Role::Step), ColumnUse::Ignored, ColumnUse::Metric]);
    }

    #[test]
    fn contradictory_options_and_columns_are_refused() {
        let new = Import::new;
        for (import, names, says) in [
            (new(), &["metric", "value"][..], "no column run"),
            (new().run("r"), &["run", "metric", "value"], "holds runs too"),
            (new(), &["run", "value"], "no column metric"),
            (new(), &["run", "metric", "value", "gpu"], "\"gpu\""),
            (new(), &["run", "metric", "value", "value"], "occurs twice"),
            (new().map("value", "v"), &["run", "metric", "value"], "no column \"v\""),
            (new().map("valu", "v"), &["v"], "map to run, metric"),
            (new().map("step", "a").map("step", "b"), &["a", "b"], "each column once"),
            (new().map("step", "a").ignore("a"), &["a"], "both mapped and ignored"),
            (new().map("value", "v").wide(true), &["v"], "wide table has no such"),
            (new().run("r").map("run", "x"), &["x"], "one of the two"),
            (new().run(""), &["loss"], "empty"),
            (new().run("r"), &["step", ""], "column 2"),
            (new().run("r"), &["step", "time"], "no column is left"),
            (new().run("r").delimiter('"'), &["loss"], "delimiter"),
        ] {
            let text = refused(&import, names);
            assert!(text.contains(says), "{text} should say {says}");
        }
    }
}
