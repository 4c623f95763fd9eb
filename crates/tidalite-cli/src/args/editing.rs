//! The arguments of `edit`.

use crate::values::{OrAuto, param, status, time_or_auto};
use clap::Args;
use std::path::PathBuf;
use tidalite::{Param, Status};

/// `edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The editor takes no part in the run: its status and end do not move, and others may write to it \
meanwhile. Of two edits the later one wins.

The value of a param is a number, true, false, null, or a list or map in JSON; anything else is text.

Examples:
  tidalite edit metrics resnet-42 --name baseline --tag keep
  tidalite edit metrics resnet-42 --param lr=3e-4 --remove-param warmup
  tidalite edit metrics resnet-42 --status finished --ended 2026-01-31T12:00:00Z
  tidalite edit metrics resnet-42 --notes ''")]
pub(crate) struct EditArgs {
    /// The folder of the store.
    pub(crate) store: PathBuf,
    /// The run's id.
    pub(crate) run: String,
    /// Set a param. Repeatable.
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = param)]
    pub(crate) params: Vec<(String, Param)>,
    /// Remove a param. Repeatable.
    #[arg(long = "remove-param", value_name = "NAME")]
    pub(crate) remove_params: Vec<String>,
    /// Add a tag. Repeatable.
    #[arg(short, long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Remove a tag. Repeatable.
    #[arg(long = "remove-tag", value_name = "TAG")]
    pub(crate) remove_tags: Vec<String>,
    /// The name that is shown for the run. An empty text removes it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Free text. An empty text removes it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) notes: Option<String>,
    /// The group of runs that it belongs to. An empty text removes it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) group: Option<String>,
    /// `running`, `finished`, `failed` or `lost`, until a process takes part in the run again; `auto` lets it follow from
    /// the processes again.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    pub(crate) status: Option<OrAuto<Status>>,
    /// When it started: a time, or `auto` for the start of its first process.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time_or_auto)]
    pub(crate) started: Option<OrAuto<i64>>,
    /// When it ended: a time, or `auto` for the end of its last process.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time_or_auto)]
    pub(crate) ended: Option<OrAuto<i64>>,
}

impl EditArgs {
    /// Whether it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let lists = [&self.remove_params, &self.tags, &self.remove_tags];
        let texts = [&self.name, &self.notes, &self.group];
        self.params.is_empty()
            && lists.iter().all(|l| l.is_empty())
            && texts.iter().all(|t| t.is_none())
            && self.status.is_none()
            && self.started.is_none()
            && self.ended.is_none()
    }
}
