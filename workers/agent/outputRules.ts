/** Whether the outputs may leave: the rules of who owns the data, all of them. */

import type { OutputRule } from '../gateway/protocol.ts';
import { headBytes, isOfType, type FileType } from './fileTypes.ts';
import { openRegularFile } from './outputs.ts';
import { createLimit } from './patience.ts';

/** An output that would be published. */
export interface JudgedOutput {
  readonly place: Buffer;
  readonly name: string;
  readonly sizeBytes: number;
}

const concurrentLooks = 16;

const readHead = async (place: Buffer): Promise<Buffer | undefined> => {
  const handle = await openRegularFile(place);
  if (handle === undefined) return undefined;
  try {
    const head = Buffer.alloc(headBytes);
    const { bytesRead } = await handle.read(head, 0, headBytes, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
};

const countOthers = async (outputs: readonly JudgedOutput[], types: readonly FileType[]): Promise<number> => {
  const limit = createLimit(concurrentLooks);
  const looks = outputs.map(({ name, place }) =>
    limit(async () => {
      const head = await readHead(place);
      return head !== undefined && isOfType(name, head, types);
    }),
  );
  return (await Promise.all(looks)).filter((isAllowed) => !isAllowed).length;
};

const breachOf = async (outputs: readonly JudgedOutput[], { maxBytes, maxFiles, fileTypes }: OutputRule): Promise<string | undefined> => {
  if (maxFiles !== null && outputs.length > maxFiles) return `maxFiles: ${maxFiles}`;
  const bytes = outputs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (maxBytes !== null && bytes > maxBytes) return `maxBytes: ${maxBytes}`;
  if (fileTypes !== null && (await countOthers(outputs, fileTypes)) > 0) return `fileTypes: ${fileTypes.join(', ') || 'none'}`;
  return undefined;
};

/**
 * The first rule that the outputs break, and who made it; it tells nothing of what they contain.
 * @returns undefined when all of them may leave
 */
export const findBreach = async (outputs: readonly JudgedOutput[], rules: readonly OutputRule[] = []): Promise<string | undefined> => {
  for (const rule of rules) {
    const breach = await breachOf(outputs, rule);
    if (breach !== undefined) return `the outputs are withheld by the output policy of ${rule.by} (${breach})`;
  }
  return undefined;
};

/** Who keeps the algorithm's log back; undefined: it may be read. */
export const logWithheldBy = (rules: readonly OutputRule[] = []): string | undefined => rules.find(({ publishLog }) => !publishLog)?.by;
