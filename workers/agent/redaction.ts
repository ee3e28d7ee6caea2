/** What the owner of data has removed from logs: line by line, before anything of it leaves the pod. */

import { Transform, pipeline, type Readable } from 'node:stream';
import type { OutputRule } from '../gateway/protocol.ts';

/** Stands where something was removed. */
const mark = '[redacted]';

/** A line that goes on longer than this cannot be judged as a whole, so nobody sees it. */
const longestLineBytes = 64 * 1024;
const withheldLine = Buffer.from(`[a line of more than ${longestLineBytes} bytes was withheld]`);
const newline = 0x0a;

/** The same line without what a pattern matches. */
type Redact = (line: Buffer) => Buffer;

/**
 * @param rules `redactLog`: regular expressions of RE2, which match in a time that grows with the line only
 * @returns undefined where no rule has patterns: the engine is loaded only when it is needed
 */
export const openRedaction = async (rules: readonly OutputRule[] = []): Promise<Redact | undefined> => {
  const patterns = rules.flatMap(({ redactLog = [] }) => redactLog);
  if (patterns.length === 0) return undefined;
  const { RE2JS } = await import('re2js');
  const compiled = patterns.map((pattern) => RE2JS.compile(pattern));
  return (line) => {
    const text = line.toString();
    const redacted = compiled.reduce((kept, pattern) => pattern.matcher(kept).replaceAll(mark), text);
    // bytes that are no UTF-8 stay as they are where nothing is removed
    return redacted === text ? line : Buffer.from(redacted);
  };
};

/** Bytes in, whole lines out. What an algorithm wrote last counts as a line, also without an end. */
const lineByLine = (redact: Redact): Transform => {
  let pieces: Buffer[] = [];
  let held = 0;
  const hold = (piece: Buffer): void => {
    held += piece.length;
    if (held <= longestLineBytes) pieces.push(piece);
    else pieces = [];
  };
  const release = (): Buffer => {
    const line = held > longestLineBytes ? withheldLine : redact(Buffer.concat(pieces));
    pieces = [];
    held = 0;
    return line;
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const lines: Buffer[] = [];
      let from = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, from)) {
        hold(chunk.subarray(from, end));
        lines.push(release(), Buffer.of(newline));
        from = end + 1;
      }
      if (from < chunk.length) hold(chunk.subarray(from));
      done(null, Buffer.concat(lines));
    },
    flush(done) {
      done(null, held === 0 ? undefined : release());
    },
  });
};

/** The algorithm's output as it may be seen. It ends when the pipe does, for whatever reason. */
export const redacted = (pipe: Readable, redact: Redact | undefined): Readable =>
  redact === undefined ? pipe : pipeline(pipe, lineByLine(redact), () => undefined);
