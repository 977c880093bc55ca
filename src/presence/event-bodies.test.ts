import { describe, expect, it } from 'vitest';
import { Form } from '../core/forms.ts';
import type { UserPresenceState } from '../core/user-presence-state.ts';
import { EventBodies } from './event-bodies.ts';
import { formatStatus } from './format-presence.ts';

const ALICE: UserPresenceState = {
  userId: '@alice:test',
  state: 'online',
  lastActiveTs: 900,
  lastFederationUpdateTs: 900,
  lastUserSyncTs: 900,
  statusMsg: 'hi',
  currentlyActive: true,
};

describe('formatStatus', () => {
  it.each([
    [Form.FULL, { presence: 'online', last_active_ago: 100, status_msg: 'hi', currently_active: true }],
    [Form.NO_LAST_ACTIVE, { presence: 'online', status_msg: 'hi', currently_active: true }],
    [Form.NO_CURRENTLY_ACTIVE, { presence: 'online', last_active_ago: 100, status_msg: 'hi' }],
    [Form.NO_STATUS, { presence: 'online', last_active_ago: 100, currently_active: true }],
    [Form.NO_LAST_ACTIVE | Form.NO_CURRENTLY_ACTIVE | Form.NO_STATUS, { presence: 'online' }],
    [Form.OFFLINE, { presence: 'offline' }],
    [Form.OFFLINE | Form.NO_STATUS, { presence: 'offline' }],
    [Form.DENIED, { presence: 'offline' }],
  ])('form %i has only what may be seen', (form, content) => {
    expect(JSON.parse(formatStatus(ALICE, 1_000, form))).toEqual(content);
  });
});

describe('EventBodies', () => {
  const of = (text: string): unknown => (JSON.parse(text) as { content: unknown }).content;

  it('keeps the forms of one user apart', () => {
    const bodies = new EventBodies(() => ALICE);
    const full = bodies.get(1, Form.FULL, 1_000);
    const reduced = bodies.get(1, Form.NO_STATUS, 1_000);
    expect(of(full)).toMatchObject({ status_msg: 'hi' });
    expect(of(reduced)).not.toHaveProperty('status_msg');
    expect(bodies.get(1, Form.FULL, 1_250)).toBe(full);
    expect(bodies.get(1, Form.NO_STATUS, 1_250)).toBe(reduced);
    expect(bodies.get(1, Form.NO_STATUS, 1_251)).not.toBe(reduced);
    expect(of(bodies.get(1, Form.OFFLINE, 1_000))).toEqual({ presence: 'offline' });
    expect(bodies.size).toBe(2);
  });

  it('renders every form anew when the user has changed', () => {
    let state = ALICE;
    const bodies = new EventBodies(() => state);
    for (const form of [Form.FULL, Form.NO_LAST_ACTIVE, Form.NO_STATUS]) bodies.get(1, form, 1_000);
    state = { ...ALICE, statusMsg: 'bye' };
    bodies.drop(1);
    expect(bodies.size).toBe(0);
    expect(of(bodies.get(1, Form.FULL, 1_000))).toMatchObject({ status_msg: 'bye' });
    expect(of(bodies.get(1, Form.NO_LAST_ACTIVE, 1_000))).toMatchObject({ status_msg: 'bye' });
  });
});
