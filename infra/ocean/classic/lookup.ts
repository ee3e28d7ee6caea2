/** Assets, services and files of a classic request, looked at without throwing: each call site has a code of its own. */

import { isJobFailure } from '../../../workflows/contract/failures.ts';
import { readServiceFiles } from '../assetFiles.ts';
import type { AssetResolver } from '../assetResolver.ts';
import type { Ddo, DdoService } from '../ddo.ts';
import type { Decrypter } from '../ecies.ts';
import type { FileObject } from '../fileObject.ts';
import type { Asset } from '../onChainAssets.ts';

/** `unusable`: there is such an asset, but not one that can be used, e.g. its document is malformed. */
export type FoundAsset = { readonly kind: 'found'; readonly asset: Asset } | { readonly kind: 'unknown' | 'unusable' };

/** @throws JobFailure ChainUnavailable */
export const findAsset = async (resolver: AssetResolver, did: string): Promise<FoundAsset> => {
  try {
    return { kind: 'found', asset: await resolver.resolve(did) };
  } catch (err) {
    if (!isJobFailure(err) || err.type !== 'AssetNotFound') throw err;
    // the resolver adds a reason when it found something
    return { kind: err.message === `DDO ${did.slice(0, 100)} not found` ? 'unknown' : 'unusable' };
  }
};

/** @returns null when the files were encrypted for another provider, or are malformed */
export const findFiles = (ddo: Ddo, service: DdoService, decrypter: Decrypter): readonly FileObject[] | null => {
  try {
    return readServiceFiles(ddo, service, decrypter);
  } catch (err) {
    if (isJobFailure(err)) return null;
    throw err;
  }
};
