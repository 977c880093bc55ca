/**
 * `record_traffic`: whether who is told of whom is recorded, for trying modules on it. Ours.
 */
import { DEFAULTS } from '../defaults.ts';
import { filePath, section, size, wholeNumber } from '../fields.ts';

const defaults = DEFAULTS.record_traffic;

export const trafficKeys = {
  record_traffic: section({
    path: filePath().prefault(defaults.path).meta({
      description: 'The file, readable by this user only. Its folder is made if missing.',
      example: 'data/traffic.ndjson',
    }),
    max_size: size().prefault(defaults.max_size).meta({
      description: 'Largest size of one file; then it is put aside as `<path>.1`, and a new one begins.',
      example: '50M',
    }),
    keep: wholeNumber({ min: 0, max: 100 }).prefault(defaults.keep).meta({
      description: 'How many files that were put aside stay.',
      example: 2,
    }),
  })
    .optional()
    .meta({
      description:
        'Records who is in which room, who is connected, and whom each update was for, by default and by modules: for `thalamus module test --against`. Ids of users and rooms, names of servers, times, and the word online, unavailable, offline or busy: no status messages, no devices, no content. Without this section nothing is recorded.',
    }),
};
