//! Records and recordings, whole and broken.
#![allow(clippy::unwrap_used)]

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use souk_engine::{
    CancelOrder, Command, FeeRates, FeeTier, MarketLimits, MassCancel, NewOrder, OrderRef,
    OrderStatus, ReplaceOrder,
};
use souk_protocol::message as wire;
use souk_protocol::*;

use super::*;
use crate::control::{ControlCommand, Custody};
use crate::handoff::{Admitted, BatchPlace, MarketChange, Numbered};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Often a boundary.
    fn word(&mut self) -> u64 {
        match self.next() % 4 {
            0 => 0,
            1 => u64::MAX,
            _ => self.next(),
        }
    }

    fn coin(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }

    fn int(&mut self) -> u32 {
        self.word() as u32
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next() as usize % from.len()]
    }

    fn text<const N: usize>(&mut self) -> Text<N> {
        let len = 1 + self.next() as usize % N;
        let letters: String = (0..len)
            .map(|_| char::from(b'A' + (self.next() % 26) as u8))
            .collect();
        Text::new(&letters).unwrap()
    }

    fn reason(&mut self) -> Option<RejectReason> {
        (self.coin()).then(|| self.pick(RejectReason::TABLE).reason)
    }

    fn order(&mut self) -> OrderRef {
        OrderRef {
            order_id: OrderId(self.word()),
            cl_ord_id: ClOrdId(self.word()),
        }
    }

    fn command(&mut self, session: SessionId) -> Command {
        let account = AccountId(self.int());
        match self.next() % 5 {
            0 => Command::New(NewOrder {
                cl_ord_id: ClOrdId(self.word()),
                account,
                session,
                side: self.pick(Side::ALL),
                order_type: self.pick(OrderType::ALL),
                time_in_force: self.pick(TimeInForce::ALL),
                post_only: self.pick(PostOnly::ALL),
                price: Price(self.word().cast_signed()),
                qty: Qty(self.word()),
                budget: Amount(self.word()),
                stp_mode: self.pick(StpMode::ALL),
                stp_scope: self.pick(StpScope::ALL),
                stp_group: StpGroup(0),
                fee_tier: FeeTier(0),
            }),
            1 => Command::Cancel(CancelOrder {
                account,
                order: self.order(),
            }),
            2 => Command::Replace(ReplaceOrder {
                account,
                session,
                order: self.order(),
                cl_ord_id: ClOrdId(self.word()),
                price: Price(self.word().cast_signed()),
                total_qty: Qty(self.word()),
            }),
            3 => Command::MassCancel(MassCancel {
                account,
                side: self.pick(&[None, Some(Side::Buy), Some(Side::Sell)]),
            }),
            _ => Command::Status(OrderStatus {
                account,
                order: self.order(),
            }),
        }
    }

    fn change(&mut self) -> MarketChange {
        match self.next() % 3 {
            0 => MarketChange::State(self.pick(MarketState::ALL)),
            1 => MarketChange::Limits(MarketLimits {
                price_min: Price(self.word().cast_signed()),
                price_max: Price(self.word().cast_signed()),
                qty_min: Qty(self.word()),
                qty_max: Qty(self.word()),
                notional_min: Amount(self.word()),
                notional_max: Amount(self.word()),
                orders_max: self.int(),
                account_orders_max: self.int(),
            }),
            _ => MarketChange::Fees {
                fee_group: FeeGroup(self.word() as u16),
                rates: FeeRates {
                    maker_ppm: self.int().cast_signed(),
                    taker_ppm: self.int().cast_signed(),
                },
            },
        }
    }

    /// Any control command, from random bytes in which every enum is legal.
    fn control(&mut self) -> ControlCommand {
        let account = AccountId(self.int());
        let (business, business_id) = (self.text(), self.word());
        let (currency, amount) = (self.text(), Amount(self.word()));
        let scale = self.word() as u8;
        match self.next() % 4 {
            0 => ControlCommand::Credit(wire::Credit {
                request_id: self.word(),
                business,
                business_id,
                account,
                scale,
                reserved: Reserved,
                currency,
                amount,
            }),
            1 => ControlCommand::Transfer(wire::Transfer {
                request_id: self.word(),
                business,
                business_id,
                from: account,
                to: AccountId(self.int()),
                scale,
                reserved: Reserved,
                currency,
                amount,
            }),
            2 => ControlCommand::CreateAccount(wire::CreateAccount {
                request_id: self.word(),
                account,
                fee_group: FeeGroup(self.word() as u16),
                stp_group: StpGroup(self.word() as u16),
                status: self.pick(AccountStatus::ALL),
                reserved: Reserved,
                external_id: self.text(),
            }),
            _ => ControlCommand::CreateCurrency(wire::CreateCurrency {
                request_id: self.word(),
                code: currency,
                amount_min: amount,
                amount_max: Amount(self.word()),
                scale,
                display_scale: scale,
                status: self.pick(CurrencyStatus::ALL),
                reserved: Reserved,
            }),
        }
    }

    fn body(&mut self, session: SessionId) -> Body {
        match self.next() % 9 {
            0..=3 => Body::Command {
                numbered: Numbered {
                    client_seq: self.word(),
                    command: self.command(session),
                    batch: BatchPlace {
                        index: self.word() as u8,
                        last: self.coin(),
                        stop_at_reject: self.coin(),
                    },
                },
                admitted: Admitted {
                    hold: Amount(self.word()),
                    fee_tier: FeeTier(self.word() as u8),
                    stp_group: StpGroup(self.word() as u16),
                    refused: self.reason(),
                },
                refused: self.reason(),
            },
            4 => Body::Change {
                change: self.change(),
                refused: self.reason(),
            },
            5 => Body::Control {
                command: self.control(),
                verdict: match self.reason() {
                    Some(reason) => Verdict::Refused(reason),
                    None => self.pick(&[Verdict::Applied, Verdict::Repeated]),
                },
            },
            6 => Body::Founding(self.control()),
            7 => Body::Tenant {
                custody: self.pick(&[Custody::Internal, Custody::External]),
                name: self.text(),
            },
            _ => {
                let count = self.pick(&[0, 1, 3, BALANCES_MAX]);
                let line = |_| BalanceLine {
                    account: AccountId(self.int()),
                    currency: self.text(),
                    total: Amount(self.word()),
                    held: Amount(self.word()),
                };
                Body::Balances((0..count).map(line).collect())
            }
        }
    }

    fn record(&mut self) -> StreamRecord {
        let session = SessionId(self.int());
        StreamRecord {
            tenant: TenantId(self.int()),
            market: MarketId(self.int()),
            stream_seq: self.word(),
            transact_time: self.word(),
            session,
            body: self.body(session),
        }
    }
}

const HEADER: FileHeader = FileHeader {
    cluster_id: 7,
    begun: 1_800_000_000_000_000_000,
};

fn end() -> StreamRecord {
    let mut record = Random(1).record();
    record.body = Body::End { balances: 3 };
    record
}

/// A file, and where each record begins, and the file's end.
fn file_of(records: &[StreamRecord]) -> (Vec<u8>, Vec<usize>) {
    let (header, checksum) = HEADER.write();
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for record in records {
        places.push(FILE_HEADER_LEN + bytes.len());
        record.write(&mut bytes);
    }
    seal(&mut bytes, checksum);
    let file = [header.as_slice(), &bytes].concat();
    places.push(file.len());
    (file, places)
}

fn read(file: &[u8]) -> Result<(Vec<StreamRecord>, Ending), ReadError> {
    let mut reader = Reader::new(file, Path::new("streams.rec"))?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    Ok((records, reader.ending()))
}

/// One record of each kind, small.
fn small() -> Vec<StreamRecord> {
    let mut random = Random(3);
    let mut records: Vec<StreamRecord> = Vec::new();
    let kind = |record: &StreamRecord| std::mem::discriminant(&record.body);
    while records.len() < 6 {
        let record = random.record();
        let fits = !matches!(&record.body, Body::Balances(lines) if lines.len() != 1);
        if fits && records.iter().all(|known| kind(known) != kind(&record)) {
            records.push(record);
        }
    }
    records.push(end());
    records
}

#[test]
fn what_is_written_is_read_again() {
    let mut random = Random(2);
    let mut records: Vec<StreamRecord> = (0..20_000).map(|_| random.record()).collect();
    records.push(end());
    let (file, _) = file_of(&records);
    let (again, ending) = read(&file).unwrap();
    assert!(again == records);
    assert_eq!(ending, Ending::Complete);
}

#[test]
fn a_cut_tail_is_told_from_a_whole_file_at_every_byte() {
    let records = small();
    let (file, places) = file_of(&records);
    for len in 0..file.len() {
        if len < FILE_HEADER_LEN {
            let error = read(&file[..len]).unwrap_err();
            assert!(matches!(error.problem, Problem::NotARecording), "{error}");
            continue;
        }
        let (read, ending) = read(&file[..len]).unwrap();
        let whole = places.iter().filter(|place| **place <= len).count() - 1;
        assert_eq!(read, records[..whole], "cut at {len}");
        let offset = places[whole];
        let expected = if offset == len {
            Ending::Stopped
        } else {
            Ending::Cut {
                offset: offset as u64,
                bytes: len - offset,
            }
        };
        assert_eq!(ending, expected, "cut at {len}");
    }
}

#[test]
fn every_flipped_bit_is_damage_and_is_named() {
    let (mut file, places) = file_of(&small());
    for byte in 0..file.len() {
        for bit in 0..8 {
            file[byte] ^= 1 << bit;
            let error = read(&file).map(|(_, ending)| ending).unwrap_err();
            file[byte] ^= 1 << bit;
            let record = places.iter().filter(|place| **place <= byte).count();
            assert_eq!(error.number, record as u64, "byte {byte}: {error}");
            let begins = if record == 0 { 0 } else { places[record - 1] };
            assert_eq!(error.offset, begins as u64, "byte {byte}: {error}");
            assert_eq!(error.file, Path::new("streams.rec"));
        }
    }
}

#[test]
fn a_record_that_is_missing_or_moved_breaks_the_chain() {
    let (file, places) = file_of(&small());
    let (second, third) = (places[1]..places[2], places[2]..places[3]);
    let missing = [&file[..second.start], &file[second.end..]].concat();
    let swapped = [
        &file[..second.start],
        &file[third.clone()],
        &file[second],
        &file[third.end..],
    ];
    for broken in [missing, swapped.concat()] {
        let error = read(&broken).unwrap_err();
        assert_eq!(error.number, 2, "{error}");
        assert!(
            matches!(error.problem, Problem::Damage(Damage::Checksum { .. })),
            "{error}"
        );
    }
}

#[test]
fn what_comes_after_the_end_is_damage() {
    let (mut file, _) = file_of(&small());
    file.extend_from_slice(&[0; 8]);
    let error = read(&file).unwrap_err();
    assert!(
        matches!(error.problem, Problem::Damage(Damage::AfterEnd)),
        "{error}"
    );
}

/// Bytes that nobody wrote, under a good checksum: refused or read, never a panic.
#[test]
fn a_record_of_random_bytes_is_an_error_or_a_record() {
    let mut random = Random(4);
    let mut refused = 0;
    for _ in 0..200_000 {
        let mut bytes = Vec::new();
        random.record().write(&mut bytes);
        for _ in 0..1 + random.next() % 3 {
            // Not the length: it is checked before.
            let at = RECORD_PREFIX_LEN + random.next() as usize % (bytes.len() - RECORD_PREFIX_LEN);
            bytes[at] = random.next() as u8;
        }
        match StreamRecord::read(&bytes) {
            Ok(record) => {
                let mut again = Vec::new();
                record.write(&mut again);
                assert_eq!(again[RECORD_PREFIX_LEN..44], bytes[RECORD_PREFIX_LEN..44]);
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 10_000, "{refused}");
}

/// A file in memory that takes `room` bytes.
#[derive(Clone)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.bytes.lock().unwrap();
        let room = self.room - disk.len();
        if room == 0 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let count = bytes.len().min(room);
        disk.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn recording(room: usize, pending_max: usize) -> (Disk, Recording, RecordingWriter<Disk>) {
    let disk = Disk {
        bytes: Arc::default(),
        room,
    };
    let path = Path::new("streams.rec");
    let made = Recording::new(disk.clone(), path, &HEADER, pending_max).unwrap();
    (disk, made.0, made.1)
}

fn bytes_of(records: &[StreamRecord]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        record.write(&mut bytes);
    }
    bytes
}

#[test]
fn a_recording_that_is_closed_has_everything_that_was_added() {
    let (disk, recording, writer) = recording(usize::MAX, PENDING_BYTES_MAX);
    let records = small();
    let thread = std::thread::spawn(move || writer.run());
    for record in &records {
        recording
            .add(&bytes_of(std::slice::from_ref(record)))
            .unwrap();
    }
    recording.close();
    thread.join().unwrap();
    let (again, ending) = read(&disk.bytes.lock().unwrap()).unwrap();
    assert!(again == records);
    assert_eq!(ending, Ending::Complete);
}

#[test]
fn a_full_disk_fails_the_recording_for_good_and_leaves_a_cut_tail() {
    let (disk, recording, writer) = recording(300, PENDING_BYTES_MAX);
    recording.add(&bytes_of(&small())).unwrap();
    writer.run();
    for _ in 0..2 {
        let error = recording.add(&bytes_of(&[end()])).unwrap_err();
        assert!(matches!(error, RecordingError::Write { .. }), "{error}");
    }
    let (_, ending) = read(&disk.bytes.lock().unwrap()).unwrap();
    assert!(matches!(ending, Ending::Cut { .. }), "{ending:?}");
}

#[test]
fn more_than_may_wait_fails_the_recording_and_nothing_is_left_out_before() {
    let (disk, recording, writer) = recording(usize::MAX, 1_000);
    let record = bytes_of(&[end()]);
    let mut taken = 0;
    let error = loop {
        match recording.add(&record) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, RecordingError::TooSlow { .. }), "{error}");
    assert_eq!(recording.failure(), Err(error));
    recording.close();
    writer.run();
    let len = disk.bytes.lock().unwrap().len();
    assert_eq!(len, FILE_HEADER_LEN + taken * record.len());
}
