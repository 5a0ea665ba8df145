// The worker's whole program: a host behind Comlink.
import { expose } from "comlink";
import { Host } from "./host.js";

expose(new Host());
