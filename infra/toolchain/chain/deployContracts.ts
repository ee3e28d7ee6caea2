/** Ocean's contracts on a local chain: signed beforehand with predicted addresses, sent in one request. */

import { setTimeout as sleep } from 'node:timers/promises';
import { concat, getCreateAddress, type HDNodeWallet, type Wallet } from 'ethers';
import { callRpc, localChainId } from './anvil.ts';
import { loadArtifact, type ContractName } from './artifacts.ts';

/** Where the contracts of a local chain are; the same on every fresh chain, because deployer and order are fixed. */
export interface OceanContracts {
  /** ERC-20 with 6 decimals, a fee token */
  readonly usdc: string;
  /** ERC-20 with 18 decimals */
  readonly ocean: string;
  readonly router: string;
  readonly fixedRateExchange: string;
  readonly dispenser: string;
  readonly datatokenTemplate: string;
  readonly enterpriseTemplate: string;
  readonly nftTemplate: string;
  readonly erc721Factory: string;
  readonly escrow: string;
  readonly accessListTemplate: string;
  readonly accessListFactory: string;
}

interface Step {
  readonly to: string | null;
  readonly input: string;
}

const zeroAddress = `0x${'0'.repeat(40)}`;

const planDeployment = (deployer: string): { readonly contracts: OceanContracts; readonly steps: readonly Step[] } => {
  const steps: Step[] = [];
  const deploy = (name: ContractName, ...args: unknown[]): string => {
    const { abi, bytecode } = loadArtifact(name);
    steps.push({ to: null, input: concat([bytecode, abi.encodeDeploy(args)]) });
    return getCreateAddress({ from: deployer, nonce: steps.length - 1 });
  };
  const usdc = deploy('MockERC20Decimals', 'USDC', 'USDC', 6);
  const ocean = deploy('MockERC20Decimals', 'OCEAN', 'OCEAN', 18);
  // the router wants a pool template and a collector; neither is used by orders, so any address that is not zero does
  const router = deploy('FactoryRouter', deployer, ocean, deployer, deployer, []);
  const fixedRateExchange = deploy('FixedRateExchange', router);
  const dispenser = deploy('Dispenser', router);
  const datatokenTemplate = deploy('ERC20Template');
  const enterpriseTemplate = deploy('ERC20TemplateEnterprise');
  const nftTemplate = deploy('ERC721Template');
  const erc721Factory = deploy('ERC721Factory', nftTemplate, datatokenTemplate, router);
  const escrow = deploy('Escrow', router, zeroAddress);
  const accessListTemplate = deploy('AccessList');
  const accessListFactory = deploy('AccessListFactory', accessListTemplate);
  const call = (to: string, name: ContractName, method: string, ...args: unknown[]): void => {
    steps.push({ to, input: loadArtifact(name).abi.encodeFunctionData(method, args) });
  };
  call(erc721Factory, 'ERC721Factory', 'addTokenTemplate', enterpriseTemplate);
  call(router, 'FactoryRouter', 'addFactory', erc721Factory);
  call(router, 'FactoryRouter', 'addFixedRateContract', fixedRateExchange);
  call(router, 'FactoryRouter', 'addDispenserContract', dispenser);
  const tokens = { usdc, ocean, router, fixedRateExchange, dispenser, datatokenTemplate, enterpriseTemplate, nftTemplate };
  return { contracts: { ...tokens, erc721Factory, escrow, accessListTemplate, accessListFactory }, steps };
};

const readReceipts = async (rpcUrl: string, hashes: readonly unknown[]): Promise<unknown[]> => {
  const deadline = Date.now() + 20_000;
  const reads = hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] }));
  for (;;) {
    const receipts = await callRpc(rpcUrl, reads);
    if (receipts.every((receipt) => receipt !== null)) return receipts;
    if (Date.now() > deadline) throw new Error('the contracts were not mined in time');
    await sleep(10);
  }
};

/**
 * Puts the contracts onto the chain unless they are there already; resolves once all are mined.
 * @param deployer an account that has made no other transaction on a fresh chain
 * @throws Error when a transaction failed
 */
export const deployContracts = async (rpcUrl: string, deployer: Wallet | HDNodeWallet): Promise<OceanContracts> => {
  const { contracts, steps } = planDeployment(deployer.address);
  const [code] = await callRpc(rpcUrl, [{ method: 'eth_getCode', params: [contracts.accessListFactory, 'latest'] }]);
  if (code !== '0x') return contracts;
  const signed = await Promise.all(
    steps.map(({ to, input }, nonce) =>
      deployer.signTransaction({
        type: 2,
        chainId: localChainId,
        nonce,
        to,
        data: input,
        gasLimit: 12_000_000n,
        maxFeePerGas: 2_000_000_000n,
        maxPriorityFeePerGas: 0n,
      }),
    ),
  );
  const hashes: unknown[] = [];
  // one after another: a node may take the transactions of a batch in any order
  for (const raw of signed) hashes.push(...(await callRpc(rpcUrl, [{ method: 'eth_sendRawTransaction', params: [raw] }])));
  const receipts = await readReceipts(rpcUrl, hashes);
  receipts.forEach((receipt, index) => {
    if ((receipt as { status?: string } | null)?.status !== '0x1') throw new Error(`step ${index} of the contracts' deployment failed`);
  });
  return contracts;
};
