//! `runs` with columns asked for, in an order, a page at a time; `diff`.

use crate::sample::Sample;
use tidalite::{Param, Params};

#[test]
fn runs_are_listed_with_values_of_metrics() {
    let sample = Sample::new();
    let flags =
        ["--columns", "train/loss:min,params.lr,accuracy:last", "--sort=-params.lr", "--format", "json"];
    let rows = sample.run("runs", &flags).rows();
    assert_eq!((&rows[0]["run"], &rows[0]["params.lr"]), (&"lr-2".into(), &2.0.into()));
    assert_eq!(
        (&rows[0]["train/loss:min"], &rows[1]["train/loss:min"]),
        (&(1.0 / 60.0).into(), &0.01.into())
    );
    assert_eq!(rows[1]["accuracy:last"], 0.99);
    for sort in ["train/loss:min", "-params.lr", "points,-params.lr", "status,train/loss:last"] {
        let rows = sample.run("runs", &["--sort", sort, "--format", "json"]).rows();
        let expected = if sort == "train/loss:min" || sort.starts_with("status") { "lr-0.1" } else { "lr-2" };
        assert_eq!(rows[0]["run"], expected, "{sort}");
    }
}

#[test]
fn a_page_says_how_many_runs_there_are() {
    let sample = Sample::new();
    let page = sample.run("runs", &["--limit", "1", "--format", "csv"]);
    assert_eq!(page.ok().lines().count(), 2);
    assert!(page.err.contains("1 of 2 runs; --offset 1 goes on"), "{}", page.err);
    let next = sample.run("runs", &["--offset", "1", "--columns", "name", "--format", "json"]).rows();
    assert_eq!((next.len(), &next[0]["run"]), (1, &"lr-2".into()));
    let beyond = sample.run("runs", &["--offset", "5"]);
    assert!(beyond.fails(3).contains("the list has 2 runs"), "{}", beyond.err);
}

#[test]
fn wrong_columns_are_named_with_what_would_do() {
    let sample = Sample::new();
    let wrong = sample.run("runs", &["--columns", "train/loss"]);
    assert!(wrong.fails(2).contains("METRIC:AGGREGATE"), "{}", wrong.err);
    let points = sample.run("runs", &["--columns", "train/loss:p99"]);
    assert!(points.fails(1).contains("needs points"), "{}", points.err);
    let missing = sample.run("runs", &["--columns", "train/los:min", "--format", "csv"]);
    assert_eq!(missing.ok().lines().count(), 3);
    assert!(missing.err.contains("similar: train/loss"), "{}", missing.err);
    sample.run("runs", &["--participants", "--columns", "name"]).fails(2);
}

#[test]
fn a_table_leaves_out_what_is_alike_unless_all_is_asked_for() {
    let sample = Sample::new();
    let table = sample.run("runs", &[]);
    let heading = table.ok().lines().next().unwrap().to_string();
    assert!(heading.contains("lr") && heading.contains("started") && !heading.contains("tags"), "{heading}");
    let all = sample.run("runs", &["-v"]);
    assert!(all.ok().lines().next().unwrap().contains("tags"), "{}", all.text());
}

#[test]
fn runs_show_the_commit_that_they_were_run_with_and_filters_find_it() {
    let sample = Sample::new();
    let store = tidalite::Store::open(sample.path()).unwrap();
    for (id, digit) in [("x", "a"), ("y", "b")] {
        let git = Params::from([("commit".to_string(), digit.repeat(40).into())]);
        let environment = Params::from([("git".to_string(), Param::Map(git))]);
        store.run(id).environment(environment).start().unwrap().finish().unwrap();
    }
    store.close().unwrap();
    let shown = sample.run("runs", &[]);
    assert!(shown.ok().contains("commit") && shown.text().contains(&"a".repeat(8)), "{}", shown.text());
    let found = sample.run("runs", &["-w", "environment.git.commit like 'bbb*'", "--format", "json"]).rows();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["environment"]["git"]["commit"], "b".repeat(40));
    let columns = sample.run("runs", &["--columns", "environment.git.commit", "--format", "csv"]);
    assert!(columns.ok().contains(&format!("x,{}", "a".repeat(40))), "{}", columns.text());
}

#[test]
fn runs_are_compared_side_by_side() {
    let sample = Sample::new();
    let differing = sample.run("diff", &["lr-2", "lr-0.1", "--format", "json"]).rows();
    let row = |rows: &[serde_json::Value], kind: &str, name: &str| {
        rows.iter().find(|row| row["kind"] == kind && row["name"] == name).cloned()
    };
    let lr = row(&differing, "param", "lr").unwrap();
    assert_eq!((&lr["lr-2"], &lr["lr-0.1"]), (&"2".into(), &"0.1".into()));
    let all = sample.run("diff", &["lr-2", "lr-0.1", "--all", "--format", "json"]).rows();
    assert!(all.len() > differing.len());
    assert!(row(&all, "tag", "sweep").is_some() && row(&differing, "tag", "sweep").is_none());
    let last = |rows: &[serde_json::Value]| rows.iter().filter(|row| row["kind"] == "last").count();
    assert!(last(&differing) > 0 && last(&differing) < last(&all), "accuracy is the same");
    let table = sample.run("diff", &["lr-2", "lr-0.1"]);
    let same = all.len() - differing.len();
    assert!(table.err.contains(&format!("{same} facts are the same in all")), "{}", table.err);
    sample.run("diff", &["lr-2"]).fails(2);
    let unknown = sample.run("diff", &["lr-2", "lr-3"]);
    assert!(unknown.fails(3).contains("similar"), "{}", unknown.err);
}
