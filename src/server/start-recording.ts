/**
 * `record_traffic`: opens the record before presence begins, and closes it after presence has ended.
 */
import { TrafficRecorder } from '../adapters/traffic/traffic-recorder.ts';
import type { Foundation } from './foundation.ts';

/** Returns null when nothing is recorded. Rejects with Node's error when the file cannot be opened. */
export async function startRecording(foundation: Foundation): Promise<TrafficRecorder | null> {
  const { clock, config, logger, metrics, releases } = foundation;
  const { recordTraffic, serverName } = config;
  if (recordTraffic === null) return null;
  const recorder = new TrafficRecorder({ ...recordTraffic, serverName, clock, logger, metrics });
  await recorder.open();
  releases.add('record of traffic', () => recorder.stop());
  logger.info({ path: recordTraffic.path }, 'traffic is recorded');
  return recorder;
}
