/** Storage that consumers name for their outputs. */

import type { OutputTarget } from '../../workflows/contract/output.ts';
import type { Delivered, Following, Parcel, TargetsDeps, createS3Targets } from './s3Targets.ts';

/** Failures are JobFailures `OutputTargetRefused`, `OutputTargetUnavailable`, or those of the store that is read. */
export interface OutputTargets {
  /** Writes an empty object beside the key of the archive, looks at it, and deletes it. Resolves when all of that works. */
  probe(target: OutputTarget, jobId: string): Promise<void>;
  /** After the call the archive is in the target, verified. The same parcel is the same archive: what is there is not sent again. */
  deliver(parcel: Parcel, following: Following): Promise<Delivered>;
  /** Ends an upload that nobody will go on with; one that is over is none. */
  abandon(parcel: Pick<Parcel, 'target' | 'jobId'>, uploadId: string): Promise<void>;
  close(): Promise<void>;
}

/** The client is loaded when the first job names storage: it takes most of a process's start. */
export const createOutputTargets = (deps: TargetsDeps): OutputTargets => {
  let opened: Promise<ReturnType<typeof createS3Targets>> | undefined;
  const open = () => (opened ??= import('./s3Targets.ts').then((targets) => targets.createS3Targets(deps)));
  return {
    probe: async (target, jobId) => (await open()).probe(target, jobId),
    deliver: async (parcel, following) => (await open()).deliver(parcel, following),
    abandon: async (parcel, uploadId) => (await open()).abandon(parcel, uploadId),
    close: async () => (await opened)?.close(),
  };
};
