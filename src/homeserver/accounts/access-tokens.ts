/**
 * Access tokens and device ids. A token is 256 random bits and is stored only as its SHA-256 hash, which needs no salt
 * because nobody can guess the token.
 */
import { hash, randomBytes, randomInt } from 'node:crypto';
import type { DeviceId } from '../../matrix/identifiers.ts';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** A new token. */
export function makeAccessToken(): string {
  return `tha_${randomBytes(32).toString('base64url')}`;
}

/** What is stored of a token, and looked up by. */
export function hashAccessToken(accessToken: string): string {
  return hash('sha256', accessToken, 'base64url');
}

/** A new device id, for clients that do not bring one. */
export function makeDeviceId(): DeviceId {
  return Array.from({ length: 10 }, () => LETTERS.charAt(randomInt(LETTERS.length))).join('');
}
