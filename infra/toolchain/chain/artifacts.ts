/** ABI and bytecode of Ocean's contracts, from the npm package @oceanprotocol/contracts. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Interface, type InterfaceAbi } from 'ethers';

export interface Artifact {
  readonly abi: Interface;
  /** deployment code, 0x hex */
  readonly bytecode: string;
}

const paths = {
  MockERC20Decimals: 'utils/mock/MockERC20Decimals.sol/MockERC20Decimals',
  FactoryRouter: 'pools/FactoryRouter.sol/FactoryRouter',
  FixedRateExchange: 'pools/fixedRate/FixedRateExchange.sol/FixedRateExchange',
  Dispenser: 'pools/dispenser/Dispenser.sol/Dispenser',
  ERC20Template: 'templates/ERC20Template.sol/ERC20Template',
  ERC20TemplateEnterprise: 'templates/ERC20TemplateEnterprise.sol/ERC20TemplateEnterprise',
  ERC721Template: 'templates/ERC721Template.sol/ERC721Template',
  ERC721Factory: 'ERC721Factory.sol/ERC721Factory',
  Escrow: 'escrow/Escrow.sol/Escrow',
  AccessList: 'accesslists/AccessList.sol/AccessList',
  AccessListFactory: 'accesslists/AccessListFactory.sol/AccessListFactory',
} as const;

/** Contracts that a local chain has. */
export type ContractName = keyof typeof paths;

const loaded = new Map<ContractName, Artifact>();

/** The compiled contract of that name; read once. */
export const loadArtifact = (name: ContractName): Artifact => {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const require = createRequire(import.meta.url);
  const file = require.resolve(`@oceanprotocol/contracts/artifacts/contracts/${paths[name]}.json`);
  const json = JSON.parse(readFileSync(file, 'utf8')) as { abi: InterfaceAbi; bytecode: string };
  const artifact = { abi: new Interface(json.abi), bytecode: json.bytecode };
  loaded.set(name, artifact);
  return artifact;
};
