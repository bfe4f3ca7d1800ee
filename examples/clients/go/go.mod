module decloud/examples/clients/go

go 1.19
