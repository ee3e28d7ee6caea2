/** Output policies as operators configure them and publishers declare them, and which of them hold for a job. */

import { RE2JS } from 're2js';
import { z } from 'zod';
import { outputFileTypes, type DeclaredPolicy, type OutputPolicy, type OutputRule } from '../../workflows/contract/outputPolicy.ts';
import type { Admission } from '../../workflows/contract/spec.ts';
import { ownerFilter } from './outputFilter.ts';

const limit = z.number().int().nonnegative().nullable().default(null);

const problemOf = (pattern: string): string | undefined => {
  try {
    return RE2JS.compile(pattern).matcher('').find() ? 'matches the empty text, so it would match everywhere' : undefined;
  } catch (err) {
    return `is no regular expression of RE2: ${err instanceof Error ? err.message : 'it cannot be compiled'}`;
  }
};

/** Of RE2, which has no look-around and no back references, and therefore no pattern that takes for ever. */
const pattern = z
  .string()
  .min(1)
  .max(500)
  .superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** What may leave a job; absent limits do not exist. */
export const outputPolicy = z.strictObject({
  /** all outputs together */
  maxBytes: limit,
  maxFiles: limit,
  /** names of kinds; an empty list lets no file out */
  fileTypes: z.array(z.enum(outputFileTypes)).nullable().default(null),
  /** false: nobody is shown the algorithm's log */
  publishLog: z.boolean().default(true),
  redactLog: z.array(pattern).max(50).default([]),
}) satisfies z.ZodType<OutputPolicy>;

/** What a publisher declares in a DDO. */
export const declaredPolicy = outputPolicy.extend({ filter: ownerFilter.optional() }) satisfies z.ZodType<DeclaredPolicy>;

const did = z.string().regex(/^did:(op|ope):[0-9a-f]{64}$/, 'is no DID');

/** Policies for datasets by their DID, beside what their environment and their publisher say. */
export const outputPolicies = z.record(did, outputPolicy);

/** What holds for a job's outputs, and who says so. */
export interface RuleSources {
  readonly environment: { readonly id: string; readonly outputPolicy?: OutputPolicy | undefined };
  readonly byDid: Readonly<Record<string, OutputPolicy>>;
  /** what the dataset's document declares; null: nothing */
  readonly declaredBy: (snapshot: Admission['datasets'][number]) => OutputPolicy | null;
}

/** A filter is no rule: the pod has it. */
const ruleOf = (by: string, { maxBytes, maxFiles, fileTypes, publishLog, redactLog }: OutputPolicy): OutputRule => ({
  ...{ by, maxBytes, maxFiles, fileTypes, publishLog, redactLog },
});

/** All rules of a job: the environment's, and for each of its datasets the operator's and the publisher's. */
export const outputRulesOf = (datasets: Admission['datasets'], { environment, byDid, declaredBy }: RuleSources): readonly OutputRule[] => {
  const own = environment.outputPolicy === undefined ? [] : [{ by: `environment ${environment.id}`, ...environment.outputPolicy }];
  const rules = datasets.flatMap((snapshot): OutputRule[] => {
    if (snapshot.did === null) return [];
    const by = snapshot.did;
    return [byDid[by] ?? null, declaredBy(snapshot)].flatMap((policy) => (policy === null ? [] : [ruleOf(by, policy)]));
  });
  return [...own, ...rules];
};
