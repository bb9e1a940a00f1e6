import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Addresses, OpenedNetworks } from "../../src/proxy/addresses.ts";

/** Case I5-03: every one of them but the four of the open internet is closed. */
const table: readonly (readonly [address: string, isOpen: boolean])[] = [
  ["1.1.1.1", true],
  ["93.184.216.34", true],
  ["2606:4700:4700::1111", true],
  ["2a00:1450:4001:81b::200e", true],
  ["0.0.0.0", false],
  ["0.1.2.3", false],
  ["10.0.0.1", false],
  ["100.64.0.1", false],
  ["100.100.100.200", false],
  ["127.0.0.1", false],
  ["127.255.255.254", false],
  ["168.63.129.16", false],
  ["169.254.169.254", false],
  ["169.254.170.2", false],
  ["172.16.0.1", false],
  ["172.31.255.255", false],
  ["192.0.0.192", false],
  ["192.0.2.1", false],
  ["192.168.1.1", false],
  ["198.18.0.1", false],
  ["198.51.100.1", false],
  ["203.0.113.1", false],
  ["224.0.0.1", false],
  ["239.255.255.250", false],
  ["240.0.0.1", false],
  ["255.255.255.255", false],
  ["::", false],
  ["::1", false],
  ["::ffff:127.0.0.1", false],
  ["::ffff:7f00:1", false],
  ["::ffff:1.1.1.1", false],
  ["::7f00:1", false],
  ["64:ff9b::7f00:1", false],
  ["64:ff9b:1::7f00:1", false],
  ["100::1", false],
  ["2001::1", false],
  ["2001:db8::1", false],
  ["2002:7f00:1::", false],
  ["fc00::1", false],
  ["fd00:ec2::254", false],
  ["fd20:ce::254", false],
  ["fe80::1", false],
  ["fe80::1%eth0", false],
  ["fec0::1", false],
  ["ff02::1", false],
  ["5f00::1", false],
  // Spellings that a resolver never gives, and that some programs take for an address.
  ["2130706433", false],
  ["0x7f000001", false],
  ["0x7f.1", false],
  ["0177.0.0.1", false],
  ["127.1", false],
  ["①②⑦.⓪.⓪.①", false],
  ["127。0。0。1", false],
  ["2606:4700::1%1", false],
  ["", false],
];

suite("only addresses of the open internet are dialled", () => {
  test("of the table all but four are closed", () => {
    const addresses = new Addresses([]);
    const none = new OpenedNetworks([]);
    assert.deepEqual(
      table.map(([address]) => [address, addresses.isOpen(address, none)]),
      table,
    );
  });

  test("a rule opens private, loopback and shared networks, and never what lies beside them", () => {
    const addresses = new Addresses([]);
    const opened = new OpenedNetworks(["127.0.0.0/8", "10.1.0.0/16", "100.64.0.0/10", "fc00::/7"]);
    const open = ["127.0.0.1", "10.1.2.3", "100.64.0.1", "fd12::1"];
    const closed = ["10.2.0.1", "192.168.1.1", "::1", "100.100.100.200", "fd00:ec2::254"];
    for (const address of open) assert.equal(addresses.isOpen(address, opened), true, address);
    for (const address of closed) assert.equal(addresses.isOpen(address, opened), false, address);
  });

  test("a rule that opens anything else is an error", () => {
    for (const network of [
      "0.0.0.0/0",
      "0.0.0.0",
      "8.0.0.0/8",
      "10.0.0.0/7",
      "169.254.0.0/16",
      "169.254.169.254",
      "168.63.129.16",
      "224.0.0.1",
      "255.255.255.255",
      "::/0",
      "::",
      "fe80::/10",
      "fc00::/6",
      "ff02::1",
      "64:ff9b::/96",
      "::ffff:127.0.0.1",
    ]) {
      assert.throws(() => new OpenedNetworks([network]), /cannot be opened/, network);
    }
    for (const network of ["10.0.0.0/33", "127.1", "fe80", "1::2::3"]) {
      assert.throws(() => new OpenedNetworks([network]), /is no network/, network);
    }
  });

  test("what is closed beside the usual ones no rule opens", () => {
    const addresses = new Addresses(["10.1.0.0/16", "93.184.216.0/24"]);
    const opened = new OpenedNetworks(["10.0.0.0/8"]);
    assert.equal(addresses.isOpen("10.1.2.3", opened), false);
    assert.equal(addresses.isOpen("10.2.2.3", opened), true);
    assert.equal(addresses.isOpen("93.184.216.34", opened), false);
  });
});
