import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { pduId } from './pdu-id.ts';

const idOf = (text: string) => `$${createHash('sha256').update(text).digest('base64url')}`;
const base = { type: 'm.room.message', room_id: '!r:x', sender: '@q:x', origin_server_ts: 5, depth: 1 };

it('takes the id an event says, as in room versions 1 and 2', () => {
  expect(pduId({ ...base, event_id: '$abc:x' })).toBe('$abc:x');
});

it('hashes the redacted event otherwise, without what a redaction takes away', () => {
  const event = {
    ...base,
    content: { body: 'secret', msgtype: 'm.text' },
    hashes: { sha256: 'h' },
    prev_events: ['$p'],
    auth_events: [],
    signatures: { x: { 'ed25519:1': 's' } },
    unsigned: { age: 5 },
    origin: 'x',
    anything: 1,
  };
  const text =
    '{"auth_events":[],"content":{},"depth":1,"hashes":{"sha256":"h"},"origin_server_ts":5,"prev_events":["$p"],"room_id":"!r:x","sender":"@q:x","type":"m.room.message"}';
  expect(pduId(event)).toBe(idOf(text));
});

it('keeps of the content what version 11 keeps', () => {
  const hashed = (type: string, content: unknown) => pduId({ type, content });
  const expected = (type: string, content: string) => idOf(`{"content":${content},"type":"${type}"}`);
  const invite = { signed: { a: 1 }, display_name: 'x' };
  const member = { membership: 'invite', displayname: 'x', third_party_invite: invite };
  expect(hashed('m.room.member', member)).toBe(
    expected('m.room.member', '{"membership":"invite","third_party_invite":{"signed":{"a":1}}}'),
  );
  expect(hashed('m.room.create', { b: 1, a: 2 })).toBe(expected('m.room.create', '{"a":2,"b":1}'));
  expect(hashed('m.room.redaction', { redacts: '$x', reason: 'y' })).toBe(
    expected('m.room.redaction', '{"redacts":"$x"}'),
  );
  expect(hashed('m.room.topic', 'none')).toBe(expected('m.room.topic', '{}'));
});

it.each([null, 5, 'x', [], [base]])('has no name for %j', (pdu) => expect(pduId(pdu)).toBeNull());

it('has no name for what has no canonical form, and takes no id that is none', () => {
  expect(pduId({ ...base, depth: 1.5 })).toBeNull();
  for (const event_id of ['abc', '', 5, null, `$${'x'.repeat(255)}`]) {
    expect(pduId({ ...base, event_id })).toMatch(/^\$[A-Za-z0-9_-]{43}$/);
  }
});
