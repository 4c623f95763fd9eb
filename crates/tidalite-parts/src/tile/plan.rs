//! The boundaries of the pages of step and value, of the larger pages of seq and time, and of the even pages of written.
//!
//! A page of at least so many rows ends at the end of a series. Shorter series share a page, so that header and checksums
//! stay small compared with the data. A series of at least twice as many rows gets pages of its own, so that a range of its
//! steps is read alone and damage to a page costs few rows. Write orders and times are read less often than values and take
//! few bytes a page, so their pages have four times as many rows.

use crate::chunk::SeriesChunk;
use std::ops::Range;

/// Rows of a page: 64 KiB of values before compression, about what fits the second-level cache with its output.
const ROWS: usize = 8_192;
/// Rows of a large page. Its differences are decoded in some 30 µs.
const ROWS_LARGE: usize = 32_768;

/// The rows of one page: `rows` rows from (chunk, row), over one or more chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageSlices {
    chunk: usize,
    row: usize,
    pub(super) rows: u32,
}

impl PageSlices {
    /// Calls `take` with each chunk that the page covers, and the chunk's rows in the page.
    pub(super) fn for_each<'a>(
        &self,
        chunks: &[SeriesChunk<'a>],
        mut take: impl FnMut(&SeriesChunk<'a>, Range<usize>),
    ) {
        let (mut row, mut left) = (self.row, self.rows as usize);
        for chunk in &chunks[self.chunk..] {
            if left == 0 {
                break;
            }
            let end = chunk.steps.len().min(row + left);
            take(chunk, row..end);
            left -= end - row;
            row = 0;
        }
    }
}

/// The pages of step and value, in order.
pub(super) fn pages(chunks: &[SeriesChunk<'_>]) -> Vec<PageSlices> {
    pages_of(chunks, ROWS)
}

/// The pages of seq, and of time where it is stored as differences.
pub(super) fn large_pages(chunks: &[SeriesChunk<'_>]) -> Vec<PageSlices> {
    pages_of(chunks, ROWS_LARGE)
}

fn pages_of(chunks: &[SeriesChunk<'_>], of_page: usize) -> Vec<PageSlices> {
    let mut pages: Vec<PageSlices> = Vec::new();
    let mut push = |chunk, row, rows: usize| {
        let rows = u32::try_from(rows).expect("a tile's rows fit 32 bits");
        pages.push(PageSlices { chunk, row, rows });
    };
    // Series not yet in a page: the index of the first, and their total rows.
    let (mut first, mut waiting) = (0, 0);
    for (i, chunk) in chunks.iter().enumerate() {
        let rows = chunk.steps.len();
        if waiting > 0 && waiting + rows >= 2 * of_page {
            push(first, 0, waiting);
            waiting = 0;
        }
        if waiting == 0 {
            first = i;
        }
        let mut row = 0;
        while rows - row >= 2 * of_page {
            push(i, row, of_page);
            row += of_page;
        }
        if row > 0 {
            push(i, row, rows - row);
            continue;
        }
        waiting += rows;
        if waiting >= of_page {
            push(first, 0, waiting);
            waiting = 0;
        }
    }
    if waiting > 0 {
        push(first, 0, waiting);
    }
    pages
}

/// All pages of a tile, each of `rows` rows but the last.
pub(super) fn even_pages(chunks: &[SeriesChunk<'_>], rows: u32) -> Vec<PageSlices> {
    let mut pages: Vec<PageSlices> = Vec::new();
    for (chunk, points) in chunks.iter().enumerate() {
        let mut row = 0;
        while row < points.steps.len() {
            let page = match pages.last_mut().filter(|page| page.rows < rows) {
                Some(page) => page,
                None => {
                    pages.push(PageSlices { chunk, row, rows: 0 });
                    pages.last_mut().expect("one was pushed")
                }
            };
            let more = u32::try_from(points.steps.len() - row).unwrap_or(u32::MAX).min(rows - page.rows);
            page.rows += more;
            row += more as usize;
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidalite_model::{Labels, SeriesKey};

    fn rows_of_pages(lengths: &[usize]) -> Vec<u32> {
        rows_of(lengths, pages)
    }

    /// The rows of the pages of series of these lengths. Each row must be in one page.
    fn rows_of(lengths: &[usize], plan: impl Fn(&[SeriesChunk<'_>]) -> Vec<PageSlices>) -> Vec<u32> {
        let steps = vec![0i64; 200_000];
        let values = vec![0f64; 200_000];
        let key = SeriesKey::new("r", "m", Labels::none());
        let chunks: Vec<SeriesChunk<'_>> = lengths
            .iter()
            .map(|&n| SeriesChunk {
                key: &key,
                steps: &steps[..n],
                seqs: &steps[..n],
                written: &steps[..n],
                times_us: &steps[..n],
                values: &values[..n],
            })
            .collect();
        let pages = plan(&chunks);
        let mut next = (0, 0);
        for page in &pages {
            let mut rows = 0;
            page.for_each(&chunks, |_, range| rows += range.len());
            assert_eq!((rows, (page.chunk, page.row)), (page.rows as usize, next));
            let mut left = rows;
            while left > 0 {
                let step = left.min(lengths[next.0] - next.1);
                left -= step;
                next.1 += step;
                if next.1 == lengths[next.0] {
                    next = (next.0 + 1, 0);
                }
            }
        }
        assert_eq!(next, (lengths.len(), 0), "every row is in one page");
        pages.iter().map(|p| p.rows).collect()
    }

    #[test]
    fn a_page_ends_with_its_series_and_short_series_share_one() {
        assert_eq!(rows_of_pages(&[1]), [1]);
        assert_eq!(rows_of_pages(&[8192, 8192, 5000]), [8192, 8192, 5000]);
        assert_eq!(rows_of_pages(&[3000, 3000, 3000, 3000]), [9000, 3000]);
        assert_eq!(rows_of_pages(&[2047, 16_383, 3]), [2047, 16_383, 3]);
        assert_eq!(rows_of(&[5, 100_000, 40_000, 5], large_pages), [5, 32_768, 32_768, 34_464, 40_000, 5]);
        assert_eq!(rows_of_pages(&[5, 100_000, 5]).len(), 1 + 12 + 1);
        assert!(rows_of_pages(&[16_384]).iter().all(|&r| r == 8192));
    }
    #[test]
    fn even_pages_take_no_notice_of_series() {
        assert_eq!(rows_of(&[1], |c| even_pages(c, 10)), [1]);
        assert_eq!(rows_of(&[4, 6, 25, 3], |c| even_pages(c, 10)), [10, 10, 10, 8]);
        assert_eq!(rows_of(&[4, 6, 25, 3], |c| even_pages(c, 38)), [38]);
    }
}
