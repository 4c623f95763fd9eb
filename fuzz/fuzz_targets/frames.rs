//! Any tags and payloads in frames with valid checksums: their content is not trusted either. The store answers or gives an
//! error, a flush keeps each point that was read before, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::Arc;
use tidalite::{Aggregate, By, Options, Repeats, Store};
use tidalite_vfs::{SimVfs, Vfs};

const WRITER: u32 = 1;
const UUID: [u8; 16] = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef";

/// A segment as in `docs/format.md`, made of the given frames.
struct Segment {
    bytes: Vec<u8>,
    seed: u32,
    frames: u32,
}

impl Segment {
    fn new(number: u32, base_position: u64, base_ordinal: u64) -> Self {
        let mut id = UUID;
        id[12..].iter_mut().zip(number.to_le_bytes()).for_each(|(b, n)| *b ^= n);
        let mut bytes = b"TIDLSEG1".to_vec();
        bytes.extend_from_slice(&id);
        bytes.extend_from_slice(&WRITER.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&base_position.to_le_bytes());
        bytes.extend_from_slice(&base_ordinal.to_le_bytes());
        let origin = bytes.clone();
        bytes.extend_from_slice(&crc32c::crc32c(&origin).to_le_bytes());
        bytes.resize(64, 0);
        let mut segment = Segment { bytes, seed: crc32c::crc32c(&id), frames: 0 };
        segment.push(10, 0, &origin);
        segment
    }

    fn push(&mut self, tag: u8, argument: u8, payload: &[u8]) {
        let mut rest = u32::try_from(payload.len()).expect("a short payload").to_le_bytes().to_vec();
        rest.extend_from_slice(&self.frames.to_le_bytes());
        rest.extend_from_slice(&[tag, argument, 0, 0]);
        rest.extend_from_slice(payload);
        rest.resize((rest.len() + 4).next_multiple_of(8) - 4, 0);
        let seed = self.seed ^ u32::try_from(self.bytes.len()).expect("a short segment");
        self.bytes.extend_from_slice(&crc32c::crc32c_append(seed, &rest).to_le_bytes());
        self.bytes.extend_from_slice(&rest);
        self.frames += 1;
    }
}

/// Each frame begins with tag, argument and length. Tag 15 begins another segment.
fn segments(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut segments = vec![Segment::new(1, 0, 0)];
    let (mut position, mut ordinal) = (0, 0);
    while let [tag, argument, length, rest @ ..] = data {
        let (payload, after) = rest.split_at(rest.len().min(usize::from(*length)));
        let few = u32::try_from(segments.len()).expect("few");
        let last = segments.last_mut().expect("there is one");
        if tag % 16 == 15 && few < 4 {
            position += last.bytes.len() as u64;
            ordinal += u64::from(last.frames);
            segments.push(Segment::new(few + 1, position, ordinal));
            data = rest;
            continue;
        }
        last.push(tag % 16, *argument, payload);
        data = after;
    }
    segments.into_iter().map(|s| s.bytes).collect()
}

fn count(store: &Store) -> Option<usize> {
    let points = store.select().repeats(Repeats::All).points().and_then(|p| p.collect());
    points.ok().map(|p| p.num_rows())
}

fuzz_target!(|data: &[u8]| {
    let vfs = SimVfs::new(1);
    let store = Options::new()
        .background(false)
        .threads(1)
        .vfs(Arc::new(vfs.clone()))
        .open("/s")
        .expect("a new store");
    let dir = Path::new("/s/log/00000001-0123456789abcdef0123456789abcdef");
    vfs.create_dir(dir).expect("a new disk");
    for (number, bytes) in segments(data).iter().enumerate() {
        let mut file = vfs.create(&dir.join(format!("{:08}.seg", number + 1))).expect("a new file");
        file.write_all(bytes).expect("a simulated disk");
    }
    let _ = store.recovery();
    let _ = store.verify();
    let runs = store.runs().ok();
    let before = count(&store);
    let _ =
        store.select().aggregate(&[Aggregate::Mean, Aggregate::TimeLast], &[By::Metric, By::StepBucket(7)]);
    let _ = store.select().chart(10);
    let _ = store.select().follow().and_then(|mut f| f.poll());
    if store.flush().is_ok() {
        assert_eq!(count(&store), before, "a flush changes no answer");
        assert_eq!(store.runs().ok().map(|r| r.len()), runs.map(|r| r.len()), "nor the runs");
    }
    let _ = store.compact();
});
