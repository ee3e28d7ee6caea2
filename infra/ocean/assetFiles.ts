/** The files of a published service: decrypted, checked to belong to it, and read. */

import { z } from 'zod';
import { JobFailure } from '../../workflows/contract/failures.ts';
import type { DeclaredPolicy } from '../../workflows/contract/outputPolicy.ts';
import type { AssetSnapshot } from '../../workflows/contract/spec.ts';
import type { WantedFilter } from '../environments/outputFilter.ts';
import { findService, parseDdo, type Ddo, type DdoService } from './ddo.ts';
import type { Decrypter } from './ecies.ts';
import { parseFileObject, parsePublishedFiles, type FileObject } from './fileObject.ts';
import { isSameId } from './ids.ts';

const plaintext = z.object({ datatokenAddress: z.string(), nftAddress: z.string(), files: z.array(z.unknown()).min(1) });
const bareList = z.array(z.unknown()).min(1);

const notOurs = (did: string, serviceId: string, reason?: string): JobFailure =>
  new JobFailure(
    'FilesNotOurs',
    `Service ${serviceId} from DDO ${did} cannot be used in compute on this provider${reason === undefined ? '' : `: ${reason}`}`,
  );

const decryptJson = (ddo: Ddo, service: DdoService, decrypter: Decrypter): unknown => {
  const bytes = decrypter.decrypt(service.files);
  if (bytes === null) throw notOurs(ddo.did, service.id);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    throw notOurs(ddo.did, service.id, 'its files are malformed');
  }
};

/**
 * The files of one service, in order.
 * @throws JobFailure FilesNotOurs when they were encrypted for another provider, or belong to another asset: a copied
 *   ciphertext opens nothing. RequestInvalid when a file object is malformed
 * @see Ocean DDO: 4.0.0 holds the bare list, later versions name datatoken and NFT beside it
 */
export const readServiceFiles = (ddo: Ddo, service: DdoService, decrypter: Decrypter): readonly FileObject[] => {
  const content = decryptJson(ddo, service, decrypter);
  if (ddo.version === '4.0.0') {
    const list = bareList.safeParse(content);
    if (!list.success) throw notOurs(ddo.did, service.id, 'its files are malformed');
    return list.data.map(parseFileObject);
  }
  const parsed = plaintext.safeParse(content);
  if (!parsed.success) throw notOurs(ddo.did, service.id, 'its files are malformed');
  const { datatokenAddress, nftAddress, files } = parsed.data;
  if (!isSameId(datatokenAddress, service.datatokenAddress) || !isSameId(nftAddress, ddo.nftAddress)) {
    throw notOurs(ddo.did, service.id, 'its files belong to another asset');
  }
  return files.flatMap((file) => parsePublishedFiles(file, nftAddress));
};

/** What the publisher of an accepted dataset declares about outputs; nothing for a raw input. A policy that nobody can read was refused. */
export const declaredPolicyOf = (snapshot: AssetSnapshot): DeclaredPolicy | null => {
  const ddo = parseDdo(snapshot.ddo);
  const policy = ddo === null ? null : (findService(ddo, snapshot.serviceId)?.outputPolicy ?? null);
  return policy === 'unreadable' ? nothingLeaves : policy;
};

/** The filters that the publishers of accepted datasets want, in the order of the request. */
export const wantedFiltersOf = (snapshots: readonly AssetSnapshot[]): readonly WantedFilter[] =>
  snapshots.flatMap((snapshot) => {
    const filter = snapshot.did === null ? undefined : declaredPolicyOf(snapshot)?.filter;
    return filter === undefined ? [] : [{ by: snapshot.did ?? '', filter }];
  });

/** For a policy that an earlier release has accepted, and this one cannot read. */
const nothingLeaves: DeclaredPolicy = { maxBytes: 0, maxFiles: 0, fileTypes: [], publishLog: false, redactLog: [] };

/**
 * The files of an asset as it was accepted.
 * @param snapshot of a published asset; raw inputs have their file object in the request
 * @throws JobFailure FilesNotOurs, RequestInvalid, AssetNotFound or ServiceNotFound for a damaged snapshot
 */
export const filesOfSnapshot = (snapshot: AssetSnapshot, decrypter: Decrypter): readonly FileObject[] => {
  const ddo = parseDdo(snapshot.ddo);
  if (ddo === null) throw new JobFailure('AssetNotFound', `DDO ${snapshot.did ?? snapshot.folder} not found`);
  const service = findService(ddo, snapshot.serviceId);
  if (service === undefined) throw new JobFailure('ServiceNotFound', `Cannot find service ${snapshot.serviceId} in DDO ${ddo.did}`);
  return readServiceFiles(ddo, service, decrypter);
};
