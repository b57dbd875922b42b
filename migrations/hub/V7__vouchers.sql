-- A category whose tickets are vouchers: for which product of the catalogue, and how many of it.
ALTER TABLE categories ADD COLUMN voucher_product INTEGER;
ALTER TABLE categories ADD COLUMN voucher_quantity INTEGER NOT NULL DEFAULT 0;
