/**
 * Module hooks that let plain Node run this repository's TypeScript: types are stripped by the compiler we build with, one file
 * at a time, and `thalamus/…` means the file under src. What runs is the same code, module by module, as in dist.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { packageEntries } from './package-entries.mjs';

const entries = packageEntries();

/** @type {ts.CompilerOptions} */
const compilerOptions = {
  module: ts.ModuleKind.ESNext,
  target: ts.ScriptTarget.ES2023,
  verbatimModuleSyntax: true,
  inlineSourceMap: true,
};

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, nextResolve) {
  const entry = entries.get(specifier);
  if (entry !== undefined) return { url: pathToFileURL(entry).href, shortCircuit: true };
  return nextResolve(specifier, context);
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  if (!url.startsWith('file:') || !/\.ts(?:[?#].*)?$/.test(url)) return nextLoad(url, context);
  const fileName = fileURLToPath(url);
  const text = await readFile(fileName, 'utf8');
  const { outputText } = ts.transpileModule(text, { fileName, compilerOptions });
  return { format: 'module', source: outputText, shortCircuit: true };
}
