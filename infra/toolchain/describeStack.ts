/** The file in which other programs read where a running stack is. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { HDNodeWallet } from 'ethers';
import type { Stack } from './stack.ts';

/**
 * Writes `stack.json`, and the contracts' addresses as ocean.js reads them from `ADDRESS_FILE`, into the stack's folder.
 * It holds the keys of the chain's test accounts, which are worth nothing elsewhere, and the database's password: the
 * file is readable by us alone.
 * @returns path of the file
 */
export const describeStack = async (stack: Stack): Promise<string> => {
  const addressFile = path.join(stack.folder, 'address.json');
  stack.chain.addressFile(addressFile);
  const accounts = Object.entries<HDNodeWallet>({ ...stack.chain.accounts });
  const keys = accounts.map(([name, { address, privateKey }]) => [name, { address, privateKey }] as const);
  const description = {
    api: { node: stack.apiUrl, docs: stack.docsUrl, openapi: `${stack.apiUrl}/api/openapi.json` },
    chain: { rpc: stack.chain.rpcUrl, chainId: stack.chain.chainId, contracts: stack.chain.contracts },
    addressFile,
    keys: Object.fromEntries(keys),
    temporal: { address: stack.temporalAddress, ui: stack.temporalUiUrl },
    databaseUrl: stack.databaseUrl,
    storageFolder: stack.storageFolder,
    logs: path.join(stack.folder, 'logs'),
    instance: stack.instance,
  };
  const file = path.join(stack.folder, 'stack.json');
  await writeFile(file, `${JSON.stringify(description, null, 2)}\n`, { mode: 0o600 });
  return file;
};
