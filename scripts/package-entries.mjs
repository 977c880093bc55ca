/**
 * The names under which this package can be imported, and the source file behind each.
 *
 * Read from `exports` in package.json, so that tests, scripts and the import check never have a list of their own.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);

/**
 * @returns {Map<string, string>} import name → absolute path of the source file, longest name first, so that a lookup by prefix
 *   finds `thalamus/module/testing` before `thalamus/module` and that before `thalamus`
 */
export function packageEntries() {
  const { name, exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
  /** @type {[string, string][]} */
  const entries = [];
  for (const [subpath, target] of Object.entries(exports)) {
    if (typeof target === 'string') continue;
    const source = String(target.default).replace('./dist/', './src/').replace(/\.js$/, '.ts');
    entries.push([name + subpath.slice(1), fileURLToPath(new URL(source, root))]);
  }
  return new Map(entries.sort(([a], [b]) => b.length - a.length));
}
