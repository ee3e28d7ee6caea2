/** Brings results onto this machine: resumed where they stopped, whole or not at all. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { JobDetails } from '../v1/schemas.ts';
import { Exit, exits } from './exits.ts';
import type { Session } from './session.ts';

type Result = JobDetails['results'][number];

/** A name that stays in its folder, whatever the service calls the file. */
export const fileNameOf = ({ name, index }: Pick<Result, 'name' | 'index'>): string => {
  // eslint-disable-next-line no-control-regex -- these are what must not reach a terminal or a file system
  const safe = name.replaceAll(/[/\\:\u0000-\u001f\u007f]/g, '_').slice(0, 200);
  return /^\.*$/.test(safe) ? `result-${index}` : safe;
};

const sizeOf = async (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => 0,
  );

const digestOf = async (file: string): Promise<string> => {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
};

/** A file to fetch, and where to. */
export interface Wanted {
  readonly id: string;
  readonly result: Result;
  readonly folder: string;
}

const fetchRest = async (session: Session, { id, result }: Wanted, part: string): Promise<void> => {
  const have = await sizeOf(part);
  if (have >= result.sizeBytes && have > 0) return;
  const response = await session.send({
    path: `/api/v1/jobs/${id}/results/${result.index}`,
    headers: have > 0 ? { range: `bytes=${have}-`, 'if-range': `"${result.sha256}"` } : {},
  });
  if (response.body === null) return;
  await using file = await open(part, response.status === 206 ? 'a' : 'w');
  // piece by piece: a stream that is destroyed by a broken connection drops what it has not written yet
  await file.writeFile(response.body);
};

const fetchPart = async (session: Session, wanted: Wanted, part: string): Promise<void> => {
  let attempts = session.http.attempts();
  for (;;) {
    const before = await sizeOf(part);
    try {
      await fetchRest(session, wanted, part);
      return;
    } catch (err) {
      if (err instanceof Exit || (err as NodeJS.ErrnoException).syscall !== undefined) throw err;
      if ((await sizeOf(part)) > before) attempts = session.http.attempts();
      await session.http.pause(attempts, new Exit(exits.unreachable, `result ${wanted.result.index} breaks off, again and again`));
    }
  }
};

/**
 * Fetches one file; an interrupted download is taken up again, also by a later run.
 * @returns its path
 * @throws Exit when what came is not what the job has published
 */
export const download = async (session: Session, wanted: Wanted): Promise<string> => {
  const file = path.join(wanted.folder, fileNameOf(wanted.result));
  const part = `${file}.${wanted.result.sha256.slice(0, 12)}.part`;
  await mkdir(wanted.folder, { recursive: true });
  await fetchPart(session, wanted, part);
  if ((await digestOf(part)) !== wanted.result.sha256) {
    await rm(part, { force: true });
    throw new Exit(exits.unforeseen, `result ${wanted.result.index} came with another digest; run the command again`);
  }
  await rename(part, file);
  return file;
};
