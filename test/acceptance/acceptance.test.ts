/**
 * The acceptance page is true: every row has a test or a reason, never both, and the page shows the present state.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findProofs, pagePath, readTable, renderPage, rowsOf } from '../../scripts/gen-acceptance.ts';

describe('the acceptance table', () => {
  const table = readTable();
  const proofs = findProofs();

  it('has a test or a reason for every row', () => {
    const open = table.rows.filter((row) => !proofs.has(row.row) && table.notCovered[String(row.row)] === undefined);
    expect(open.map((row) => row.row)).toEqual([]);
  });

  it('gives no reason for a row that has a test', () => {
    expect(Object.keys(table.notCovered).filter((row) => proofs.has(Number(row)))).toEqual([]);
  });

  it('is named by tests only with rows that exist', () => {
    const known = new Set(table.rows.map((row) => row.row));
    expect([...proofs.keys()].filter((row) => !known.has(row))).toEqual([]);
  });

  it('has a page that is up to date', () => {
    expect(readFileSync(pagePath, 'utf8')).toBe(renderPage(table, proofs));
  });

  it('reads row numbers from titles', () => {
    expect(rowsOf('row 12: a')).toEqual([12]);
    expect(rowsOf('rows 13, 14: a')).toEqual([13, 14]);
    expect(rowsOf('rows 143–145: a')).toEqual([143, 144, 145]);
    expect(rowsOf('rows 1 and 2: a')).toEqual([1, 2]);
    expect(rowsOf('throws on row 1: a')).toEqual([]);
  });
});
