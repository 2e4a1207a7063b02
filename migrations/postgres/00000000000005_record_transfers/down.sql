DROP TABLE record_transfers;
