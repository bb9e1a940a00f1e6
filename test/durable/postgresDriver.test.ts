import { after, before } from "node:test";
import { PostgresDriver } from "../../src/durable/postgresDriver.ts";
import { driverContract } from "../contracts/driver.ts";
import { PostgresServer } from "../harness/postgres.ts";

let server: PostgresServer;
before(async () => {
  server = await PostgresServer.start();
});
after(async () => server.stop());

const key = new Uint8Array(32).fill(7);

driverContract("postgres", {
  open: async () => new PostgresDriver({ url: await server.newDatabase(), key }),
  openTwo: async () => {
    const url = await server.newDatabase();
    return [new PostgresDriver({ url, key }), new PostgresDriver({ url, key })];
  },
});
