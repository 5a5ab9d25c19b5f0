import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cnAddressFor, defaultCnAddress, userNetworkFor } from "./user-network.js";

const test = suite("user network");

test("the user network is the CN's own subnet, with the headnode at .7 and the first lease for the CN", () => {
  assert.equal(userNetworkFor({ ip: "10.99.99.38", netmask: "255.255.255.0" }), {
    net: "10.99.99.0/24",
    host: "10.99.99.7",
    dns: "10.99.99.3",
    rabbitmq: "10.99.99.20",
    dhcpStart: "10.99.99.38",
  });
});

test("the headnode's address counts from the subnet's start, also if that is not .0", () => {
  const { net, host } = userNetworkFor({ ip: "172.16.5.130", netmask: "255.255.255.192" });
  assert.is(net, "172.16.5.128/26");
  assert.is(host, "172.16.5.135");
});

test("the headnode takes another address if the CN has .7, or if the subnet is too small", () => {
  assert.is(userNetworkFor({ ip: "10.0.0.7", netmask: "255.255.0.0" }).host, "10.0.0.3");
  const small = userNetworkFor({ ip: "10.0.0.2", netmask: "255.255.255.252" });
  assert.is(small.host, "10.0.0.1");
});

test("RabbitMQ has an address that is neither the CN's nor one that reaches this machine", () => {
  assert.is(userNetworkFor({ ip: "10.0.0.20", netmask: "255.255.0.0" }).rabbitmq, "10.0.0.21");
  const small = userNetworkFor({ ip: "10.0.0.2", netmask: "255.255.255.240" });
  assert.is(small.rabbitmq, "10.0.0.2", "a subnet without .20 has none: the CN finds nothing at its own address");
});

test("the CN gets the default address if its subnet has no room for a headnode, or if QEMU cannot emulate it", () => {
  const addressWith = (netmask: string) => cnAddressFor({ ip: "10.0.0.2", netmask });
  for (const netmask of ["255.255.255.252", "240.0.0.0"]) assert.is(addressWith(netmask).ip, "10.0.0.2", netmask);
  for (const netmask of ["255.255.255.255", "255.255.255.254", "224.0.0.0", "0.0.0.0"])
    assert.is(addressWith(netmask), defaultCnAddress, netmask);
  assert.is(cnAddressFor(undefined), defaultCnAddress);
});

test.run();
