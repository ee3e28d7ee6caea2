/** Looks for what a job may have left behind: containers, volumes, plaintext of a dataset. */

import type Dockerode from 'dockerode';
import { createReadStream, lstatSync, readdirSync, type Dirent } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { jobLabel } from '../../../workflows/contract/ids.ts';
import { listLabelled } from '../engineLists.ts';

/** What was found, and how much was looked at. */
export interface Leftovers {
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
  /** files that contain one of the markers */
  readonly files: readonly string[];
  readonly searchedFiles: number;
  readonly searchedBytes: number;
  /** folders and files that could not be read */
  readonly unreadable: readonly string[];
}

export interface LeftoverSearch {
  readonly docker: Dockerode;
  readonly jobId: string;
  /** searched through and through */
  readonly folders: readonly string[];
  /** byte sequences that only the dataset has */
  readonly markers: readonly Buffer[];
  /** files that have not changed since then are left out; milliseconds since the epoch */
  readonly changedSinceMs: number;
}

const markerBytes = 48;

/** Three pieces of a file that no other file has by chance. */
export const takeMarkers = async (file: string): Promise<readonly Buffer[]> => {
  const content = await readFile(file);
  return [0.25, 0.5, 0.75].map((share) => {
    const start = Math.floor((content.length - markerBytes) * share);
    return content.subarray(start, start + markerBytes);
  });
};

/** Containers and volumes that carry a job's label. */
export const findJobObjects = async (docker: Dockerode, jobId: string): Promise<Pick<Leftovers, 'containers' | 'volumes'>> => {
  const { containers, volumes } = await listLabelled(docker, `${jobLabel}=${jobId}`);
  return { containers: containers.flatMap((container) => container.Names), volumes: volumes.map((volume) => volume.Name) };
};

const containsMarker = async (file: string, markers: readonly Buffer[]): Promise<boolean> => {
  const overlap = Math.max(...markers.map((marker) => marker.length)) - 1;
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    const window = Buffer.concat([tail, chunk as Buffer]);
    if (markers.some((marker) => window.includes(marker))) return true;
    tail = window.subarray(Math.max(0, window.length - overlap));
  }
  return false;
};

interface Candidates {
  readonly files: { readonly file: string; readonly bytes: number }[];
  readonly unreadable: string[];
}

const isGone = (err: unknown): boolean => (err as NodeJS.ErrnoException).code === 'ENOENT';

/** Every regular file below a folder that has changed; symbolic links are not followed. */
const collectCandidates = (folder: string, changedSinceMs: number, candidates: Candidates): void => {
  let entries: Dirent[];
  try {
    // one folder after another without waiting: an engine's storage has tens of thousands of files
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (err) {
    if (!isGone(err)) candidates.unreadable.push(folder);
    return;
  }
  for (const entry of entries) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) collectCandidates(file, changedSinceMs, candidates);
    if (!entry.isFile()) continue;
    const found = lstatSync(file, { throwIfNoEntry: false });
    // ctime cannot be set back: whatever was written since has a newer one
    if (found !== undefined && found.size > 0 && found.ctimeMs >= changedSinceMs) candidates.files.push({ file, bytes: found.size });
  }
};

/** Searches for everything a job may have left. Never throws for a file that vanishes meanwhile. */
export const findLeftovers = async (search: LeftoverSearch): Promise<Leftovers> => {
  const candidates: Candidates = { files: [], unreadable: [] };
  for (const folder of search.folders) collectCandidates(folder, search.changedSinceMs, candidates);
  const unreadable = [...candidates.unreadable];
  const files: string[] = [];
  for (const { file } of candidates.files) {
    try {
      if (await containsMarker(file, search.markers)) files.push(file);
    } catch (err) {
      if (!isGone(err)) unreadable.push(file);
    }
  }
  const searchedBytes = candidates.files.reduce((total, { bytes }) => total + bytes, 0);
  return {
    ...(await findJobObjects(search.docker, search.jobId)),
    files,
    unreadable,
    searchedFiles: candidates.files.length,
    searchedBytes,
  };
};
