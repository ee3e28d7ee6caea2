/** Where a cluster of a name keeps everything that it has. */

import { createHash } from 'node:crypto';
import path from 'node:path';
import { cacheFolder } from '../cache.ts';
import { MissingPart } from '../parts.ts';

const longestSocketPath = 107;

/** What belongs to a cluster on this machine. */
export interface ClusterPlace {
  readonly name: string;
  readonly folder: string;
  /** where its host takes orders */
  readonly controlSocket: string;
  readonly controlGroup: string;
  readonly hostLog: string;
  /** where the logs of a failed start stay for whoever looks for the reason */
  readonly failureLogs: string;
}

/**
 * The place of the cluster of that name.
 * @throws RangeError for a name that is none; MissingPart if the cache folder lies where it cannot
 */
export const placeOf = (name: string): ClusterPlace => {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name))
    throw new RangeError(`${name} is no name for a cluster: use at most 32 small letters, digits and dashes`);
  const folder = path.join(cacheFolder(), 'clusters', name);
  const isHidden = ['/run/', '/var/lib/', '/var/log/', '/proc/', '/sys/'].some((start) => folder.startsWith(start));
  if (isHidden || Buffer.byteLength(path.join(folder, 'containerd.sock.ttrpc')) > longestSocketPath)
    throw new MissingPart(
      'cluster',
      `the folder ${folder} cannot hold a cluster`,
      'set C2D_CACHE_DIR to a folder with a short path outside of /run and /var',
    );
  const mark = createHash('sha256').update(folder).digest('hex').slice(0, 8);
  return {
    name,
    folder,
    controlSocket: path.join(folder, 'control.sock'),
    controlGroup: `c2d-${name}-${mark}`,
    hostLog: path.join(folder, 'host.log'),
    failureLogs: `${folder}.failed`,
  };
};
