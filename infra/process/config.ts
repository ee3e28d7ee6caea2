/** Configuration from environment variables: one zod schema per process, parsed once, frozen. */

import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** Thrown for a configuration that cannot be used. The message names keys, never values. */
export class ConfigurationError extends Error {
  constructor(problems: readonly string[]) {
    super(
      `the configuration cannot be used:\n${problems.map((line) => `  - ${line}`).join('\n')}\nEvery key is described in docs/configuration.md.`,
    );
    this.name = 'ConfigurationError';
  }
}

const filePrefix = 'file://';

/**
 * The values for one process. A value that starts with `file://` is replaced by that file's text without the
 * trailing line break, so that every key, secrets first, can come from a mounted file.
 * @param schema an object schema whose keys are environment variables
 * @param env usually `process.env`; empty texts count as absent
 * @returns the parsed values, frozen
 * @throws ConfigurationError naming every key that is missing, malformed or unreadable
 */
export const parseConfig = <Schema extends z.ZodObject>(
  schema: Schema,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<z.output<Schema>> => {
  const problems: string[] = [];
  const values: Record<string, string> = {};
  for (const key of Object.keys(schema.shape)) {
    const text = env[key];
    if (text === undefined || text === '') continue;
    try {
      values[key] = text.startsWith(filePrefix) ? readFileSync(text.slice(filePrefix.length), 'utf8').replace(/\r?\n$/, '') : text;
    } catch {
      problems.push(`${key}: the file it names cannot be read`);
    }
  }
  const parsed = schema.safeParse(values);
  if (!parsed.success) {
    // zod's messages may quote values in unions and custom refinements of ours never do: report code and path only
    for (const issue of parsed.error.issues) problems.push(describeIssue(issue, values));
  }
  if (problems.length > 0 || !parsed.success) throw new ConfigurationError([...new Set(problems)]);
  return Object.freeze(parsed.data);
};

const describeIssue = (issue: z.core.$ZodIssue, values: Readonly<Record<string, string>>): string => {
  const [key, ...rest] = issue.path.map(String);
  const where = rest.length > 0 ? ` (at ${rest.join('.')})` : '';
  if (key !== undefined && values[key] === undefined && rest.length === 0) return `${key}: is required`;
  return `${key ?? 'configuration'}${where}: ${issue.message}`;
};

/** A schema for a value that is itself JSON text, checked by `inner`. */
export const json = <Inner extends z.ZodType>(inner: Inner) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: 'custom', message: 'is not JSON' });
        return z.NEVER;
      }
    })
    .pipe(inner);

/** A TCP port; 0 lets the system choose one. */
export const port = z.coerce.number().int().min(0).max(65_535);

/** `true`/`false`, `1`/`0`, `yes`/`no`, `on`/`off`. */
export const flag = z.stringbool();

/** A comma-separated list; empty parts are ignored. */
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
);
