//! Messages straight from the pages of a file, without the tree that leads to them: of a damaged file whatever is whole.
//!
//! The form is SQLite's: <https://www.sqlite.org/fileformat2.html>, sections 1.3, 1.5, 1.6 and 2.1. Nothing that is read
//! here is trusted before its sum is right.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind},
    path::Path,
};

use super::{
    fs::{File, FileExt},
    row::{Row, StoredMessage},
    schema::{seq_of, uint},
};

/// What a file's pages are, if its header doesn't tell.
const PAGE_BYTES: usize = 4096;
/// A page with rows of a table.
const LEAF: u8 = 13;
/// Columns of a message; the id is not among them, the first one stands for it.
const COLUMNS: usize = 7;

/// A file, page by page.
pub(super) struct Pages {
    file: File,
    /// Bytes of a page.
    page: usize,
    /// Bytes of a page that are used.
    usable: usize,
    pub(super) count: u64,
    /// Pages that hold nothing any more, though their old content still stands there.
    free: BTreeSet<u64>,
}

/// Messages of a page.
#[derive(Default)]
pub(super) struct Found {
    /// Those that are as they were, with their ids.
    pub(super) sound: Vec<(i64, Row)>,
    /// The ids of those that aren't.
    pub(super) broken: Vec<i64>,
}

/// A row of a table, as far as its page tells.
struct Cell {
    id: i64,
    /// The whole of it.
    record: Vec<u8>,
}

impl Pages {
    pub(super) fn open(path: &Path) -> io::Result<Pages> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut header = [0; 100];
        // A file shorter than its header has no pages.
        let _shorter = file.read_exact_at(&mut header, 0);
        let page = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size if size.is_power_of_two() && size >= 512 => usize::from(size),
            _ => PAGE_BYTES,
        };
        let reserved = usize::from(header[20]);
        let usable = if page - reserved >= 480 { page - reserved } else { page };
        let count = bytes / page as u64;
        let mut pages = Pages { file, page, usable, count, free: BTreeSet::new() };
        pages.read_free(number(&header, 32))?;
        Ok(pages)
    }

    /// The list of free pages, as far as it can be followed.
    fn read_free(&mut self, first: u64) -> io::Result<()> {
        let mut trunk = first;
        // A damaged list may lead in circles.
        while self.is_page(trunk) && self.free.insert(trunk) {
            let page = self.page(trunk)?;
            trunk = number(&page, 0);
            let leaves = usize::try_from(number(&page, 4)).unwrap_or(usize::MAX);
            for leaf in 0..leaves.min(self.usable / 4 - 2) {
                let leaf = number(&page, 8 + 4 * leaf);
                if self.is_page(leaf) {
                    self.free.insert(leaf);
                }
            }
        }
        Ok(())
    }

    fn is_page(&self, no: u64) -> bool {
        (1..=self.count).contains(&no)
    }

    /// One page; what the disk doesn't give back is zeros.
    fn page(&self, no: u64) -> io::Result<Vec<u8>> {
        let mut page = vec![0; self.page];
        match self.file.read_exact_at(&mut page, (no - 1) * self.page as u64) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(page),
            // EIO: a bad sector costs its page only.
            Err(error) if error.raw_os_error() == Some(5) => Ok(vec![0; self.page]),
            read => read.map(|()| page),
        }
    }

    /// The messages of one page. Pages count from 1.
    pub(super) fn messages(&self, no: u64) -> io::Result<Found> {
        let mut found = Found::default();
        if self.free.contains(&no) {
            return Ok(found);
        }
        let page = self.page(no)?;
        let start = if no == 1 { 100 } else { 0 };
        if page[start] != LEAF {
            return Ok(found);
        }
        let cells = usize::from(u16::from_be_bytes([page[start + 3], page[start + 4]]));
        for cell in 0..cells.min(self.usable / 2) {
            let pointer = start + 8 + 2 * cell;
            let Some(&[high, low]) = page.get(pointer..pointer + 2).and_then(<[u8]>::as_array)
            else {
                break;
            };
            let at = usize::from(u16::from_be_bytes([high, low]));
            let Some(cell) = self.cell(&page, at)? else { continue };
            match message(&cell) {
                Some(Ok(row)) => found.sound.push((cell.id, row)),
                Some(Err(())) => found.broken.push(cell.id),
                None => {}
            }
        }
        Ok(found)
    }

    /// The row that begins there, with what of it is on further pages.
    fn cell(&self, page: &[u8], at: usize) -> io::Result<Option<Cell>> {
        let head = || {
            let mut rest = page.get(..self.usable)?.get(at..)?;
            let bytes = usize::try_from(varint(&mut rest)?).ok()?;
            let id = varint(&mut rest)?;
            let most = self.usable - 35;
            let least = (self.usable - 12) * 32 / 255 - 23;
            let local = if bytes <= most {
                bytes
            } else {
                let local = least + (bytes - least) % (self.usable - 4);
                if local <= most { local } else { least }
            };
            let record = rest.get(..local)?.to_vec();
            let more = if local < bytes { Some(rest.get(local..local + 4)?) } else { None };
            Some((bytes, id, record, more.map_or(0, |more| number(more, 0))))
        };
        let Some((bytes, id, mut record, mut next)) = head() else { return Ok(None) };
        // No chain is longer than the file.
        if bytes as u64 / self.usable as u64 > self.count {
            return Ok(None);
        }
        while record.len() < bytes {
            if !self.is_page(next) {
                return Ok(None);
            }
            let page = self.page(next)?;
            next = number(&page, 0);
            let part = (bytes - record.len()).min(self.usable - 4);
            record.extend_from_slice(&page[4..4 + part]);
        }
        Ok(Some(Cell { id, record }))
    }
}

/// A row as a message: none if it is of another table, an error if it isn't sound.
fn message(cell: &Cell) -> Option<Result<Row, ()>> {
    let mut header = &cell.record[..];
    let length = usize::try_from(varint(&mut header)?).ok()?;
    let begun = cell.record.len() - header.len();
    let mut header = header.get(..length.checked_sub(begun)?)?;
    let mut rest = cell.record.get(length..)?;
    let mut values = Vec::with_capacity(COLUMNS);
    while !header.is_empty() {
        let kind = varint(&mut header)?;
        values.push(Value::read(kind, &mut rest)?);
        if values.len() > COLUMNS {
            return None;
        }
    }
    let [Value::Null, time_us, sid, mid, author, Value::Blob(body), sum] = values.as_slice() else {
        return None;
    };
    let (time_us, sid, sum) = (time_us.int()?, sid.int()?, sum.int()?);
    let mid = if *mid == Value::Null { None } else { Some(mid.int()?) };
    let author = match *author {
        Value::Null => None,
        Value::Text(text) => Some(text),
        _ => return None,
    };
    let sound = || {
        let message = StoredMessage {
            seq: seq_of(cell.id),
            time_us: uint(time_us),
            sid: uint(sid),
            mid: mid.map(uint),
            author: author.map(str::from_utf8).transpose().ok()?,
            body,
        };
        (i64::from(message.sum(cell.id)) == sum).then(|| Row::of(&message)).flatten()
    };
    Some(sound().ok_or(()))
}

/// One column of a row.
#[derive(PartialEq)]
enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

impl<'a> Value<'a> {
    fn read(kind: i64, rest: &mut &'a [u8]) -> Option<Value<'a>> {
        let kind = usize::try_from(kind).ok()?;
        let bytes = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 => 8,
            12.. => (kind - 12) / 2,
            // Floating point, and what is reserved: no column of a message is that.
            _ => return None,
        };
        let (value, after) = rest.split_at_checked(bytes)?;
        *rest = after;
        Some(match kind {
            0 => Value::Null,
            8 => Value::Int(0),
            9 => Value::Int(1),
            1..=6 => {
                let sign = if value[0] < 0x80 { 0 } else { 0xff };
                let mut whole = [sign; 8];
                whole[8 - bytes..].copy_from_slice(value);
                Value::Int(i64::from_be_bytes(whole))
            }
            _ if kind % 2 == 0 => Value::Blob(value),
            _ => Value::Text(value),
        })
    }

    fn int(&self) -> Option<i64> {
        match *self {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }
}

/// A number of four bytes.
fn number(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 4)
        .and_then(<[u8]>::as_array)
        .map_or(0, |word| u64::from(u32::from_be_bytes(*word)))
}

/// A number of one to nine bytes, the lower seven bits of each, and all of the ninth.
fn varint(rest: &mut &[u8]) -> Option<i64> {
    let mut value: u64 = 0;
    for at in 0..9 {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        if at == 8 {
            value = value << 8 | u64::from(byte);
            break;
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
    }
    Some(value.cast_signed())
}
