/** Parts that the bucket has already: a file that is begun anew, by whatever process, goes on where it stopped. */

import type { StoredPart } from './resultStore.ts';
import type { SentPart, Upload } from './s3Multipart.ts';
import { base64Of } from './s3Verification.ts';

/** What this process knows of unfinished uploads. It may be out of date: whoever completes a file looks anew. */
export interface KnownParts {
  /** True when the bucket has the part, by size and digest. Asks the bucket once for each upload; a failure to tell is no part. */
  has(upload: Upload, part: StoredPart): Promise<boolean>;
  note(upload: Upload, part: StoredPart): void;
  forget(upload: Upload): void;
}

type Parts = Map<number, Pick<SentPart, 'sizeBytes' | 'checksum'>>;

const mostUploads = 256;

/** @param list asks the bucket for the parts of an upload */
export const createKnownParts = (list: (upload: Upload) => Promise<readonly SentPart[]>): KnownParts => {
  const uploads = new Map<string, { readonly parts: Parts; readonly listed: Promise<void> }>();
  const open = (upload: Upload) => {
    const { uploadId } = upload;
    const known = uploads.get(uploadId);
    if (known !== undefined) return known;
    const parts: Parts = new Map();
    const listed = list(upload).then(
      (sent) => sent.forEach((part) => void (parts.has(part.k) || parts.set(part.k, part))),
      () => void uploads.delete(uploadId),
    );
    const [oldest] = uploads.keys();
    if (uploads.size >= mostUploads && oldest !== undefined) uploads.delete(oldest);
    const opened = { parts, listed };
    uploads.set(uploadId, opened);
    return opened;
  };
  return {
    async has(upload, { k, sizeBytes, sha256 }) {
      const { parts, listed } = open(upload);
      await listed;
      const found = parts.get(k);
      return found?.sizeBytes === sizeBytes && found.checksum === base64Of(sha256);
    },
    note: ({ uploadId }, { k, sizeBytes, sha256 }) => void uploads.get(uploadId)?.parts.set(k, { sizeBytes, checksum: base64Of(sha256) }),
    forget: ({ uploadId }) => void uploads.delete(uploadId),
  };
};
