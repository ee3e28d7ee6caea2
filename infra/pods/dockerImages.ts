/** Images on a container engine: there already, or pulled with progress. */

import type Docker from 'dockerode';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { RegistryCredentials } from '../../workflows/contract/spec.ts';
import { dockerFailure, hasStatus } from './dockerFailure.ts';
import type { ImageConfig } from './dockerSpec.ts';
import { registryOf } from './registries.ts';

/** What {@link ensureImage} needs. */
export interface EnsureImageRequest {
  readonly docker: Docker;
  /** `name:tag` or `name@sha256:…` */
  readonly image: string;
  /** for the registry of that image; absent: without any */
  readonly credentials?: RegistryCredentials | undefined;
  readonly onProgress: (line: string) => void;
  /** ends the wait for a pull; the engine may go on with it */
  readonly signal: AbortSignal;
}

/** Images of this pseudo registry are built on the spot and exist nowhere else. */
const localPrefix = 'localhost/';

/** An image that was pulled with credentials has a tag of this name: others get it only if the registry gives it to them, too. */
const privateName = 'localhost/c2d-private';

interface PresentImage {
  readonly id: string;
  readonly isPrivate: boolean;
  readonly config: ImageConfig;
}

/**
 * After the call the image is on the engine. A public one that is there is never pulled again; with credentials, and
 * for an image that somebody else's credentials brought here, the registry is asked each time.
 * @returns what the image says about how it is run
 * @throws JobFailure ImageUnavailable (final) or ImagePullFailed (goes again)
 */
export const ensureImage = async (request: EnsureImageRequest): Promise<ImageConfig> => {
  const { docker, image, credentials } = request;
  const present = await inspectImage(docker, image);
  const isLocal = image.startsWith(localPrefix);
  if (present !== undefined && !present.isPrivate && (credentials === undefined || isLocal)) return present.config;
  if (isLocal) {
    throw new JobFailure('ImageUnavailable', 'the algorithm image is a local one and is not on this machine');
  }
  await pullImage(request);
  const pulled = await inspectImage(docker, image);
  if (pulled === undefined) {
    throw new JobFailure('ImagePullFailed', 'the algorithm image was pulled and is gone again; it is tried again', {
      retryAfterSeconds: 15,
    });
  }
  const wasPublic = present?.id === pulled.id && !present.isPrivate;
  if (credentials !== undefined && !wasPublic) await markPrivate(docker, pulled);
  return pulled.config;
};

const markPrivate = async (docker: Docker, { id }: PresentImage): Promise<void> => {
  try {
    await docker.getImage(id).tag({ repo: privateName, tag: id.replace(/^sha256:/, '').slice(0, 32) });
  } catch (err) {
    throw dockerFailure(err, 'other');
  }
};

const inspectImage = async (docker: Docker, image: string): Promise<PresentImage | undefined> => {
  try {
    const { Id: id, RepoTags, Config } = await docker.getImage(image).inspect();
    return {
      id,
      isPrivate: (RepoTags ?? []).some((tag) => tag.startsWith(`${privateName}:`)),
      config: { user: Config.User ?? '', entrypoint: wordsOf(Config.Entrypoint), cmd: wordsOf(Config.Cmd) },
    };
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

const pullImage = async ({ docker, image, credentials, onProgress, signal }: EnsureImageRequest): Promise<void> => {
  const summarize = pullProgress();
  let last = '';
  try {
    const stream = await docker.pull(image, {
      abortSignal: signal,
      ...(credentials !== undefined && { authconfig: { ...credentials, serveraddress: registryOf(image) } }),
    });
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
    throw dockerFailure(err, credentials === undefined ? 'pull' : 'privatePull');
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
