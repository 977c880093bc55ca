/**
 * A record's files, one after the other, as they were when the reading began.
 */
import { type FileHandle, open } from 'node:fs/promises';

/** @param paths - oldest first; those that do not exist are passed over */
export async function* readFiles(paths: readonly string[]): AsyncIterable<Uint8Array> {
  // All at once, so that a rotation in between neither hides nor repeats one.
  const handles: FileHandle[] = [];
  try {
    for (const path of paths) {
      try {
        handles.push(await open(path, 'r'));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      }
    }
    for (const handle of handles) {
      const { size } = await handle.stat();
      if (size === 0) continue;
      for await (const chunk of handle.createReadStream({ end: size - 1, autoClose: false })) yield chunk as Uint8Array;
    }
  } finally {
    await Promise.all(handles.map((handle) => handle.close()));
  }
}
