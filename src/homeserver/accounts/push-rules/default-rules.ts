/**
 * The push rules every user starts with, so that clients know what to show loudly. Nothing is pushed by this server.
 *
 * Source: Matrix specification 1.11, client-server API, "Predefined Rules", in its order.
 */
import { localpartOf, type UserId } from '../../../matrix/identifiers.ts';
import type { PushRule, PushRuleSet } from './push-rules.ts';

type Condition = Readonly<Record<string, unknown>>;

const NOTIFY = ['notify'] as const;
const NOTIFY_SOUND = ['notify', { set_tweak: 'sound', value: 'default' }] as const;
const HIGHLIGHT = ['notify', { set_tweak: 'highlight' }] as const;
const HIGHLIGHT_SOUND = [...NOTIFY_SOUND, { set_tweak: 'highlight' }] as const;
const RING = ['notify', { set_tweak: 'sound', value: 'ring' }] as const;

const match = (key: string, pattern: string): Condition => ({ kind: 'event_match', key, pattern });
const propertyIs = (key: string, value: unknown): Condition => ({ kind: 'event_property_is', key, value });
const memberCount = (is: string): Condition => ({ kind: 'room_member_count', is });
const MAY_NOTIFY_ROOM: Condition = { kind: 'sender_notification_permission', key: 'room' };

function rule(name: string, actions: readonly unknown[], conditions: readonly Condition[], enabled = true): PushRule {
  return { rule_id: `.m.rule.${name}`, default: true, enabled, conditions, actions };
}

/** The content of `m.push_rules` for a user who changed nothing. A new object, to be changed at will. */
export function defaultPushRules(userId: UserId): { readonly global: PushRuleSet } {
  const isMine = match('state_key', userId);
  return {
    global: {
      override: [
        rule('master', [], [], false),
        rule('suppress_notices', [], [match('content.msgtype', 'm.notice')]),
        rule('invite_for_me', NOTIFY_SOUND, [
          match('type', 'm.room.member'),
          match('content.membership', 'invite'),
          isMine,
        ]),
        rule('member_event', [], [match('type', 'm.room.member')]),
        rule('is_user_mention', HIGHLIGHT_SOUND, [
          { kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: userId },
        ]),
        rule('contains_display_name', HIGHLIGHT_SOUND, [{ kind: 'contains_display_name' }]),
        rule('is_room_mention', HIGHLIGHT, [propertyIs('content.m\\.mentions.room', true), MAY_NOTIFY_ROOM]),
        rule('roomnotif', HIGHLIGHT, [match('content.body', '@room'), MAY_NOTIFY_ROOM]),
        rule('tombstone', HIGHLIGHT, [match('type', 'm.room.tombstone'), match('state_key', '')]),
        rule('reaction', [], [match('type', 'm.reaction')]),
        rule('room.server_acl', [], [match('type', 'm.room.server_acl'), match('state_key', '')]),
        rule('suppress_edits', [], [propertyIs('content.m\\.relates_to.rel_type', 'm.replace')]),
      ],
      content: [
        {
          rule_id: '.m.rule.contains_user_name',
          default: true,
          enabled: true,
          pattern: localpartOf(userId),
          actions: HIGHLIGHT_SOUND,
        },
      ],
      room: [],
      sender: [],
      underride: [
        rule('call', RING, [match('type', 'm.call.invite')]),
        rule('encrypted_room_one_to_one', NOTIFY_SOUND, [memberCount('2'), match('type', 'm.room.encrypted')]),
        rule('room_one_to_one', NOTIFY_SOUND, [memberCount('2'), match('type', 'm.room.message')]),
        rule('message', NOTIFY, [match('type', 'm.room.message')]),
        rule('encrypted', NOTIFY, [match('type', 'm.room.encrypted')]),
      ],
    },
  };
}
