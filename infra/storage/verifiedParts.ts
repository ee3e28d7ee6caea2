/** Remembers which parts this process has verified while it wrote them, so that whole files need not be read again. */

import type { StoredFile } from './resultStore.ts';

/** A part as it was written. */
export interface VerifiedPart {
  readonly k: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface VerifiedParts {
  /** Before a part is written: what was known of it no longer holds. */
  begin(path: string, k: number): void;
  note(path: string, part: VerifiedPart): void;
  /** True if the file consists of parts that were verified here and of nothing else. */
  cover(path: string, expected: StoredFile): boolean;
  forget(path: string): void;
}

const rememberedFiles = 10_000;

export const rememberVerifiedParts = (): VerifiedParts => {
  const files = new Map<string, Map<number, VerifiedPart>>();
  const partsOf = (path: string): Map<number, VerifiedPart> => {
    const known = files.get(path) ?? new Map<number, VerifiedPart>();
    // a file that is forgotten is read again, nothing worse
    if (files.size >= rememberedFiles && !files.has(path)) files.clear();
    files.set(path, known);
    return known;
  };
  return {
    begin: (path, k) => void files.get(path)?.delete(k),
    note: (path, part) => void partsOf(path).set(part.k, part),
    cover: (path, { sizeBytes, parts, partBytes, partDigests }) => {
      const known = files.get(path);
      if (known === undefined || partDigests?.length !== parts || known.size !== parts) return false;
      return partDigests.every((sha256, k) => {
        const part = known.get(k);
        return part?.sha256 === sha256 && part.sizeBytes === Math.min(partBytes, sizeBytes - k * partBytes);
      });
    },
    forget: (path) => void files.delete(path),
  };
};
