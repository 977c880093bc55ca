import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Observer, RestrictionAnswer } from '../core/engine-api.ts';
import { Form } from '../core/forms.ts';
import { formIn, mergeRestrictions } from './restriction-answers.ts';

const { FULL, NO_LAST_ACTIVE, NO_STATUS, OFFLINE, DENIED } = Form;
const final = (others: Form | null, ...observers: [Observer, Form][]) => ({
  others,
  observers: new Map(observers),
  isFinal: true,
});

describe('restrictions of several modules', () => {
  it('row 319: add up: denying wins, hidden fields unite', () => {
    const asked = ['@a:test', '@b:test', '@c:test'];
    expect(
      mergeRestrictions(asked, [
        final(null, ['@a:test', NO_STATUS], ['@b:test', NO_STATUS]),
        final(null, ['@a:test', NO_LAST_ACTIVE], ['@b:test', DENIED]),
      ]),
    ).toEqual(final(null, ['@a:test', NO_STATUS | NO_LAST_ACTIVE], ['@b:test', NO_STATUS | DENIED]));
  });

  it('are about everybody only if each of them is', () => {
    const everybody = final(OFFLINE, ['@friend:test', FULL]);
    expect(mergeRestrictions(['@a:test'], [everybody, final(NO_STATUS)])).toEqual(
      final(OFFLINE | NO_STATUS, ['@friend:test', NO_STATUS]),
    );
    const partly = mergeRestrictions(['@a:test'], [everybody, final(null)]);
    expect([partly.others, partly.observers.get('@a:test')]).toEqual([null, OFFLINE]);
  });

  it('are one module’s as they are if there is one', () => {
    const only = final(null, ['@a:test', DENIED]);
    expect(mergeRestrictions(['@a:test', '@b:test'], [only])).toBe(only);
    expect(mergeRestrictions(['@a:test'], [])).toEqual(final(FULL));
  });

  it('are to be asked for again when one of them is not final', () => {
    expect(mergeRestrictions([], [final(FULL), { ...final(FULL), isFinal: false }]).isFinal).toBe(false);
  });

  it('are the same for each observer as adding up what each module says of them', () => {
    const ids = ['@a:test', '@b:test', '@c:test', 'island', 'far'];
    const form = fc.integer({ min: 0, max: 31 });
    const answer = fc.record({
      others: fc.option(form),
      observers: fc.array(fc.tuple(fc.constantFrom(...ids), form)).map((entries) => new Map(entries)),
      isFinal: fc.constant(true),
    });
    fc.assert(
      fc.property(fc.subarray(ids), fc.array(answer, { minLength: 1, maxLength: 4 }), (asked, answers) => {
        const merged = mergeRestrictions(asked, answers);
        const sum = (id: Observer) => answers.reduce((all, one: RestrictionAnswer) => all | formIn(one, id), 0);
        const isAboutAll = answers.every(({ others }) => others !== null);
        expect(merged.others !== null).toBe(isAboutAll);
        for (const id of isAboutAll ? [...ids, 'unnamed'] : asked) expect(formIn(merged, id)).toBe(sum(id));
      }),
    );
  });
});
