//! Lists of runs: their order, their pages, and what is refused. That the values are those of the points is a check of the oracle.

use crate::rollups::batch;
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use tidalite::{Options, RunList, RunPage, RunSort, Store};

/// Runs with losses and params; the last has neither.
fn filled(dir: &tempfile::TempDir) -> Store {
    let store = Options::new().background(false).open(dir.path().join("m")).unwrap();
    let losses = [("a", Some(2.0)), ("b", Some(f64::NAN)), ("c", Some(1.0)), ("d", Some(2.0)), ("e", None)];
    for (i, (id, loss)) in (0i64..).zip(losses) {
        let run = match loss {
            Some(_) => store.run(id).param("lr", i).start().unwrap(),
            None => store.run(id).start().unwrap(),
        };
        for rank in ["0", "1"] {
            let Some(loss) = loss else { continue };
            let at = tidalite::RowAt::step(i).labels(tidalite::Labels::new([("rank", rank)]).unwrap());
            run.log_at(&at, &[("loss", loss), ("rank/loss", loss + f64::from(rank == "1"))]).unwrap();
        }
        run.finish().unwrap();
    }
    store
}

fn page(order: &[&str], offset: usize, limit: Option<usize>) -> RunPage {
    RunPage { order: order.iter().map(|text| text.parse::<RunSort>().unwrap()).collect(), offset, limit }
}

fn ids(list: &RunList) -> String {
    list.rows["run"].as_string::<i32>().iter().flatten().collect()
}

fn check(store: &Store) {
    let list = |order: &[&str], offset, limit| {
        let columns = ["loss:last".parse().unwrap()];
        store.select().list_runs(&columns, &page(order, offset, limit)).unwrap()
    };
    assert_eq!(ids(&list(&[], 0, None)), "abcde");
    // Runs without a value come last in either direction, and equal ones are in the order of their ids.
    assert_eq!(ids(&list(&["loss:last"], 0, None)), "cadbe");
    assert_eq!(ids(&list(&["-loss:last"], 0, None)), "adcbe");
    assert_eq!(ids(&list(&["loss:last", "-params.lr"], 0, None)), "cdabe");
    assert_eq!(ids(&list(&["-params.lr"], 0, None)), "dcbae");
    assert_eq!(ids(&list(&["-id"], 0, None)), "edcba");
    for (offset, limit, expected) in [
        (0, Some(2), "ca"),
        (2, Some(2), "db"),
        (4, Some(2), "e"),
        (5, Some(2), ""),
        (9, None, ""),
        (1, None, "adbe"),
    ] {
        let found = list(&["loss:last"], offset, limit);
        assert_eq!((ids(&found).as_str(), found.total), (expected, 5), "{offset} {limit:?}");
    }
    let columns =
        ["rank/loss:max", "rank/loss:count", "loss:time_max", "params.lr", "started", "status", "x:min"];
    let columns: Vec<_> = columns.iter().map(|text| text.parse().unwrap()).collect();
    let all = store.select().list_runs(&columns, &RunPage::default()).unwrap();
    let max = all.rows["rank/loss:max"].as_primitive::<Float64Type>();
    assert_eq!(max.iter().collect::<Vec<_>>(), [Some(3.0), None, Some(2.0), Some(3.0), None]);
    assert_eq!(
        all.rows["rank/loss:count"].as_primitive::<arrow::datatypes::Int64Type>().values(),
        &[2, 2, 2, 2, 0]
    );
    let lr = all.rows["params.lr"].as_primitive::<arrow::datatypes::Int64Type>();
    assert_eq!(lr.iter().collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3), None]);
    assert_eq!(all.rows["started"].as_primitive::<TimestampMicrosecondType>().null_count(), 0);
    assert_eq!(all.rows["loss:time_max"].as_primitive::<TimestampMicrosecondType>().null_count(), 1);
    assert_eq!(all.rows["status"].as_string::<i32>().value(4), "finished");
    assert_eq!(all.missing, ["x"]);
    // Labels and filters apply to the values and to the runs.
    let one = store.select().label("rank", "0").where_runs("params.lr >= 2".parse().unwrap());
    let one = one.list_runs(&["rank/loss:max".parse().unwrap()], &RunPage::default()).unwrap();
    assert_eq!(
        (ids(&one).as_str(), one.rows["rank/loss:max"].as_primitive::<Float64Type>().values()[0]),
        ("cd", 1.0)
    );
}

#[test]
fn runs_are_sorted_and_paged_in_logs_and_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    check(&store);
    store.flush().unwrap();
    check(&store);
    store.compact().unwrap();
    check(&store);
}

#[test]
fn aggregates_that_need_points_and_columns_given_twice_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let refused = |columns: &[&str]| {
        let columns: Vec<_> = columns.iter().map(|text| text.parse().unwrap()).collect();
        store.select().list_runs(&columns, &RunPage::default()).unwrap_err().to_string()
    };
    for word in ["p99", "median", "p50~", "argnan"] {
        let wrong = refused(&[&format!("loss:{word}")]);
        assert!(wrong.contains(word) && wrong.contains("summaries"), "{wrong}");
    }
    assert!(refused(&["loss:min", "loss:min"]).contains("twice"));
}

#[test]
fn a_store_without_runs_has_an_empty_list() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("m")).unwrap();
    let list =
        store.select().list_runs(&["loss:min".parse().unwrap()], &page(&["loss:min"], 0, Some(3))).unwrap();
    assert_eq!((list.rows.num_rows(), list.total, list.missing.len()), (0, 0, 1));
    let bare = store.select().list_runs(&[], &RunPage::default()).unwrap();
    assert_eq!(bare.rows.num_columns(), 1);
}

#[test]
fn a_list_that_does_not_fit_into_memory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Options::new().background(false).memory_bytes(16 << 20).open(dir.path().join("m")).unwrap();
    let schema = batch("run", "m", &[(0, 0, 1.0)]).schema();
    let runs: Vec<_> = (0..20_000).map(|run| batch(&format!("run-{run}"), "m", &[(0, 0, 1.0)])).collect();
    store.append(&arrow::compute::concat_batches(&schema, &runs).unwrap()).unwrap();
    let columns: Vec<_> = (0..60).map(|m| format!("m{m}:last").parse().unwrap()).collect();
    let refused = store.select().list_runs(&columns, &RunPage::default()).unwrap_err();
    assert_eq!(refused.kind(), tidalite::ErrorKind::Full);
    assert!(
        refused.to_string().contains("20000 runs") && refused.to_string().contains("fewer columns"),
        "{refused}"
    );
    assert_eq!(store.select().list_runs(&columns[..1], &RunPage::default()).unwrap().total, 20_000);
}
