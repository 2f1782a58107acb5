//! What must hold for any bytes: they are read or refused, and what was read is written back as
//! it was. The fuzz target and the mutation test both call this.

use souk_protocol::{
    Block, ClientMessage, FieldError, Frame, Group, HEADER_LEN, ServerMessage, split_frame,
};

/// Takes one frame from the front of bytes. `None`: more are needed. Otherwise whether it was
/// legal.
pub fn reread(from_client: bool, frame_max: u32, bytes: &[u8]) -> Option<bool> {
    let Ok(split) = split_frame(bytes, frame_max) else {
        return Some(false);
    };
    let (frame, used) = split?;
    assert!(
        used >= HEADER_LEN && used <= bytes.len(),
        "a frame is within its bytes"
    );
    let read = if from_client { client } else { server };
    let (first, known) = match read(&frame) {
        Ok(found) => found,
        Err(error) => {
            // A group that is missing is missing at the end of the frame.
            assert!(
                usize::from(error.offset) <= used,
                "the byte is in the frame: {error}"
            );
            return Some(false);
        }
    };
    if known == used {
        let mut original = bytes[..used].to_vec();
        original[9] = 1; // the writer's own version
        assert_eq!(first, original, "what was read is written back");
    }
    let again = split_frame(&first, frame_max).expect("a frame");
    let (frame, used) = again.expect("a whole frame");
    assert_eq!(used, first.len(), "nothing else is written");
    let (second, _) = read(&frame).expect("what was written can be read");
    assert_eq!(first, second, "reading and writing change nothing more");
    Some(true)
}

/// The frame as the codec writes it, and the length it has if nothing is appended to it.
type Written = (Vec<u8>, usize);

fn client(frame: &Frame<'_>) -> Result<Written, FieldError> {
    let message = ClientMessage::decode(frame)?;
    let mut known = HEADER_LEN + message.info().block_len;
    if let ClientMessage::Batch(batch, entries) = &message {
        for entry in entries.iter() {
            let (entry, offset) = entry?;
            entry.instruction(batch.market, offset)?;
        }
        known += group_len(frame, entries)?;
    }
    let header = &frame.header;
    let mut out = vec![0; header.frame_len as usize];
    let len = message.write(header.seq, header.flags, &mut out);
    out.truncate(len.expect("what was read can be written"));
    Ok((out, known))
}

fn server(frame: &Frame<'_>) -> Result<Written, FieldError> {
    let message = ServerMessage::decode(frame)?;
    let mut known = HEADER_LEN + message.info().block_len;
    match &message {
        ServerMessage::LogonAck(_, entries) => known += group_len(frame, entries)?,
        ServerMessage::DepthSnapshot(_, entries) | ServerMessage::DepthUpdate(_, entries) => {
            known += group_len(frame, entries)?;
        }
        ServerMessage::BalanceReport(_, entries) => known += group_len(frame, entries)?,
        ServerMessage::StatementReport(_, entries) => known += group_len(frame, entries)?,
        _ => {}
    }
    let header = &frame.header;
    let mut out = vec![0; header.frame_len as usize];
    let len = message.write(header.seq, header.flags, &mut out);
    out.truncate(len.expect("what was read can be written"));
    Ok((out, known))
}

/// Bytes of the group if nothing is appended to its entries. A group without entries can
/// still say that they are longer; such a frame has no such length.
fn group_len<E: Block>(frame: &Frame<'_>, entries: &Group<'_, E>) -> Result<usize, FieldError> {
    let entry_len = u16::from_le_bytes([frame.after_block()[0], frame.after_block()[1]]);
    let mut count = 0;
    for entry in entries.iter() {
        entry?;
        count += 1;
    }
    assert_eq!(
        count,
        entries.len(),
        "a group has as many entries as it says"
    );
    if usize::from(entry_len) != E::LEN {
        return Ok(usize::MAX / 2);
    }
    Ok(8 + count * E::LEN)
}
