/** Images on a container engine: there already, or pulled with progress. */

import type Docker from 'dockerode';
import { JobFailure } from '../../workflows/contract/failures.ts';
import { dockerFailure, hasStatus } from './dockerFailure.ts';
import type { ImageConfig } from './dockerSpec.ts';

/** What {@link ensureImage} needs. */
export interface EnsureImageRequest {
  readonly docker: Docker;
  /** `name:tag` or `name@sha256:…` */
  readonly image: string;
  readonly onProgress: (line: string) => void;
  /** ends the wait for a pull; the engine may go on with it */
  readonly signal: AbortSignal;
}

/** Images of this pseudo registry are built on the spot and exist nowhere else. */
const localPrefix = 'localhost/';

/**
 * After the call the image is on the engine. One that is there is never pulled again.
 * @returns what the image says about how it is run
 * @throws JobFailure ImageUnavailable (final) or ImagePullFailed (goes again)
 */
export const ensureImage = async (request: EnsureImageRequest): Promise<ImageConfig> => {
  const { docker, image } = request;
  const present = await inspectImage(docker, image);
  if (present !== undefined) return present;
  if (image.startsWith(localPrefix)) {
    throw new JobFailure('ImageUnavailable', 'the algorithm image is a local one and is not on this machine');
  }
  await pullImage(request);
  const pulled = await inspectImage(docker, image);
  if (pulled === undefined) {
    throw new JobFailure('ImagePullFailed', 'the algorithm image was pulled and is gone again; it is tried again', {
      retryAfterSeconds: 15,
    });
  }
  return pulled;
};

const inspectImage = async (docker: Docker, image: string): Promise<ImageConfig | undefined> => {
  try {
    const { Config } = await docker.getImage(image).inspect();
    return { user: Config.User ?? '', entrypoint: wordsOf(Config.Entrypoint), cmd: wordsOf(Config.Cmd) };
  } catch (err) {
    if (hasStatus(err, 404)) return undefined;
    if (hasStatus(err, 400)) throw dockerFailure(err, 'pull');
    throw dockerFailure(err, 'other');
  }
};

const wordsOf = (value: string | readonly string[] | null | undefined): readonly string[] =>
  typeof value === 'string' ? ['/bin/sh', '-c', value] : (value ?? []);

interface PullEvent {
  readonly id?: string;
  readonly status?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

const pullImage = async ({ docker, image, onProgress, signal }: EnsureImageRequest): Promise<void> => {
  const summarize = pullProgress();
  let last = '';
  try {
    const stream = await docker.pull(image, { abortSignal: signal });
    await new Promise<void>((resolve, reject) => {
      docker.modem.followProgress(
        stream,
        (err: Error | null, output: readonly PullEvent[]) => {
          const refusal = output.find((event) => event.error !== undefined)?.error;
          if (err !== null) reject(err);
          else if (refusal !== undefined) reject(new Error(refusal));
          else resolve();
        },
        (event: PullEvent) => {
          const line = summarize(event);
          if (line !== last) onProgress((last = line));
        },
      );
    });
  } catch (err) {
    throw dockerFailure(err, 'pull');
  }
};

const megabyte = 1_000_000;

/** Sums up a pull's events: `pulling image: 31 of 75 MB`. One line changes at most once per megabyte. */
export const pullProgress = (): ((event: PullEvent) => string) => {
  const layers = new Map<string, { readonly current: number; readonly total: number }>();
  return ({ id, status, progressDetail }) => {
    const known = id === undefined ? undefined : layers.get(id);
    if (id !== undefined && status === 'Downloading') {
      layers.set(id, { current: progressDetail?.current ?? 0, total: progressDetail?.total ?? 0 });
    } else if (id !== undefined && known !== undefined && status === 'Download complete') {
      layers.set(id, { ...known, current: known.total });
    }
    let [current, total] = [0, 0];
    for (const layer of layers.values()) {
      current += layer.current;
      total += layer.total;
    }
    if (total === 0) return 'pulling image';
    return `pulling image: ${Math.round(current / megabyte)} of ${Math.ceil(total / megabyte)} MB`;
  };
};
