//! Recognises columns that have the usual name of a role in other programs, such as `global_step`.

use super::fault::{ImportFault, quoted};
use super::map::{ColumnUse, Role, Shape, TableForm, list};
use super::options::Import;

/// The names by which a role is recognised in any case, the most telling first.
const USUAL_NAMES: [(Role, &[&str]); 6] = [
    (Role::Run, &["run"]),
    (Role::Metric, &["metric"]),
    (Role::Labels, &["labels"]),
    (Role::Value, &["value"]),
    (Role::Step, &["step", "_step", "global_step", "iteration", "epoch", "t"]),
    (Role::Time, &["time", "_timestamp", "timestamp", "ts", "datetime", "date", "wall_time"]),
];

/// A name in small letters, with one separator of words: `Global Step` is `global_step`.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

/// What an import makes of a file's columns.
#[derive(Debug)]
pub(super) struct ResolvedColumns {
    /// The options, with the columns that were recognised as mappings.
    pub(super) import: Import,
    pub(super) shape: Shape,
    /// The use of each column.
    pub(super) slots: Vec<ColumnUse>,
    pub(super) remarks: Vec<String>,
}

impl Import {
    /// Recognises the columns of a file, and gives each its use. An `open` list may grow, as keys of JSON objects do.
    pub(super) fn resolve(&self, names: &[&str], open: bool) -> Result<ResolvedColumns, ImportFault> {
        let mut import = self.clone();
        let mut remarks = Vec::new();
        for (role, usual) in USUAL_NAMES {
            let of_wide = !matches!(role, Role::Metric | Role::Value);
            let wanted = match role {
                Role::Run => import.run.is_none(),
                _ => import.wide != Some(true) || of_wide,
            };
            let known = names.contains(&role.name()) || import.map.iter().any(|(t, _)| t == role.name());
            if known || !wanted {
                continue;
            }
            if let Some(name) = import.usual(names, usual) {
                remarks.push(format!("took column {} as {}", quoted(name), role.name()));
                import.map.push((role.name().to_owned(), name.to_owned()));
            }
        }
        import.map_only_value(names)?;
        let (shape, slots) = import.shape(names, open)?;
        if let (Some(metric), None) = (&shape.metric, &import.metric) {
            remarks.push(format!("took the file's name {} as the metric", quoted(metric)));
        }
        if shape.source(Role::Step).is_none() && shape.source(Role::Time).is_none() && !open {
            remarks.push(
                "no column is a step or a time: rows are counted, and have the time of the import".to_owned(),
            );
        }
        Ok(ResolvedColumns { import, shape, slots, remarks })
    }

    /// The column with the most telling of these names that has no other use.
    fn usual<'n>(&self, names: &[&'n str], usual: &[&str]) -> Option<&'n str> {
        usual.iter().find_map(|u| names.iter().find(|n| plain(n) == plain(u) && self.is_free(n)).copied())
    }

    /// Whether no option gives a column a use.
    fn is_free(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|n| n == name);
        !self.map.iter().any(|(_, source)| source == name)
            && !named(&self.ignore)
            && !named(&self.label_columns)
            && !self.metrics.as_deref().is_some_and(named)
    }

    /// With a metric given, the only column without a use holds its values.
    fn map_only_value(&mut self, names: &[&str]) -> Result<(), ImportFault> {
        let Some(metric) = &self.metric else { return Ok(()) };
        let has = |role| names.iter().any(|n| self.slot(n, TableForm::Long) == Some(ColumnUse::Role(role)));
        if self.wide == Some(true) {
            let wrong =
                format!("the metric {} is given, and a wide table has one for each column", quoted(metric));
            return Err(ImportFault::wrong(wrong, "do one of the two"));
        }
        if has(Role::Metric) || has(Role::Value) {
            return Ok(());
        }
        let rest: Vec<&str> =
            names.iter().filter(|n| self.slot(n, TableForm::Long).is_none()).copied().collect();
        match rest[..] {
            [value] => self.map.push(("value".to_owned(), value.to_owned())),
            _ => {
                let wrong = format!(
                    "the metric {} is given, and its values may be in any of {}",
                    quoted(metric),
                    list(&rest)
                );
                return Err(ImportFault::wrong(wrong, "map one (value=its name), and ignore the others"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(import: &Import, names: &[&str]) -> (Vec<ColumnUse>, Vec<String>) {
        let resolved = import.resolve(names, false).unwrap();
        (resolved.slots, resolved.remarks)
    }

    #[test]
    fn usual_names_of_steps_and_times_are_recognised_in_any_case() {
        let import = Import::new().run("r");
        for (name, role) in [
            ("_step", Role::Step),
            ("Global_Step", Role::Step),
            ("iteration", Role::Step),
            ("EPOCH", Role::Step),
            ("t", Role::Step),
            ("Step", Role::Step),
            ("_timestamp", Role::Time),
            ("ts", Role::Time),
            ("Timestamp", Role::Time),
            ("date", Role::Time),
            ("DateTime", Role::Time),
            ("Wall time", Role::Time),
        ] {
            let (slots, remarks) = resolved(&import, &[name, "loss"]);
            assert_eq!(slots, [ColumnUse::Role(role), ColumnUse::Metric], "{name}");
            assert_eq!(remarks, [format!("took column {name:?} as {}", role.name())]);
        }
    }

    #[test]
    fn an_exact_name_or_a_mapping_comes_before_a_usual_name() {
        let (slots, remarks) = resolved(&Import::new().run("r"), &["epoch", "step", "loss"]);
        assert_eq!(slots, [ColumnUse::Metric, ColumnUse::Role(Role::Step), ColumnUse::Metric]);
        assert!(remarks.is_empty(), "{remarks:?}");
        let mapped = Import::new().run("r").map("step", "n");
        let (slots, remarks) = resolved(&mapped, &["n", "epoch", "loss"]);
        assert_eq!(slots, [ColumnUse::Role(Role::Step), ColumnUse::Metric, ColumnUse::Metric]);
        assert!(remarks.is_empty(), "{remarks:?}");
        // Whoever ignores a column does not want another in its place.
        let (slots, _) = resolved(&Import::new().run("r").ignore("step"), &["step", "epoch", "loss"]);
        assert_eq!(slots, [ColumnUse::Ignored, ColumnUse::Metric, ColumnUse::Metric]);
        let (slots, _) = resolved(&Import::new().run("r"), &["epoch", "_step", "loss"]);
        assert_eq!(slots, [ColumnUse::Metric, ColumnUse::Role(Role::Step), ColumnUse::Metric]);
    }

    #[test]
    fn a_given_metric_has_its_values_in_the_only_other_column() {
        let import = Import::new().run("r").metric("loss");
        let resolved = import.resolve(&["ts", "reading"], false).unwrap();
        assert_eq!(resolved.shape.source(Role::Value), Some("reading"));
        assert_eq!(resolved.shape.metric.as_deref(), Some("loss"));
        for names in [&["ts", "a", "b"][..], &["ts"]] {
            assert!(import.resolve(names, false).is_err(), "{names:?}");
        }
    }
}
